import re
import subprocess

import numpy as np
import pandas as pd
import pytest
import torch
from imageio_ffmpeg import get_ffmpeg_exe

from bptubeformer.classify import classify_trajectories
from bptubeformer.cli import main
from bptubeformer.errors import InputError
from bptubeformer.evaluation.inference import attention_of
from bptubeformer.figures.film import WIDTH
from bptubeformer.models import build_model
from bptubeformer.models.files import TrainedModel, save_model
from bptubeformer.skeleton import COCO_17
from conftest import trajectory_rows, write_csv
from data.test_formats import people as people_of_formats
from data.writers import WRITERS
from fakes import FINGERPRINT

RUN = {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1}
CLASSES = ["walk", "road accident"]
PROBABILITIES = [f"probability_{name}" for name in CLASSES]
ATTENTION = [f"attention_{part}" for part in COCO_17.parts]


def model_file(folder, run=RUN):
    torch.manual_seed(0)
    model = build_model(run, len(CLASSES)).eval()
    save_model(folder / "model.safetensors", TrainedModel(model, run, CLASSES, FINGERPRINT))
    return folder / "model.safetensors", model


@pytest.fixture
def people(tmp_path):
    """Two videos of three people, one of whom is seen too shortly; one file is none."""
    folder = tmp_path / "people"
    write_csv(folder / "a" / "1.csv", trajectory_rows(30, first=5))
    write_csv(folder / "a" / "2.csv", trajectory_rows(23))
    write_csv(folder / "b" / "1.csv", trajectory_rows(24))
    write_csv(folder / "b" / "2.csv", [[1] * 6])
    return folder


def classified(model, source, output, step=1):
    classify_trajectories(model, source, output, step=step, device="cpu", threads=1)
    return {path.stem: pd.read_csv(path) for path in output.iterdir()}


def test_every_segment_trajectory_and_video_has_its_probabilities(people, tmp_path, capsys):
    path, model = model_file(tmp_path)
    tables = classified(path, people, tmp_path / "out", step=3)
    segments = tables["segments"]
    assert segments[["video", "person"]].astype(str).agg("/".join, axis=1).tolist() == [
        "a/1"
    ] * 3 + ["b/1"]
    assert segments["first_frame"].tolist() == [5, 8, 11, 1]
    assert segments["last_frame"].tolist() == [28, 31, 34, 24]
    rows = torch.tensor(np.array(trajectory_rows(30))[:, 1:], dtype=torch.float32)
    with torch.no_grad():
        logits = torch.stack([model(rows[None, at : at + 24])[0] for at in (0, 3, 6)])
    np.testing.assert_allclose(segments[PROBABILITIES].to_numpy()[:3], logits.softmax(1), rtol=1e-4)
    of_heads = attention_of(model, rows[3:27])["body parts"]
    np.testing.assert_allclose(
        segments.loc[1, ATTENTION].to_numpy(float), of_heads.mean(0)[0, 1:], rtol=1e-4
    )
    trajectories = tables["trajectories"]
    assert trajectories["person"].tolist() == [1, 2, 1]
    assert trajectories["rows"].tolist() == [30, 23, 24]
    assert trajectories["segments"].tolist() == [3, 0, 1]
    assert trajectories.loc[1, ["predicted", *PROBABILITIES, *ATTENTION]].isna().all()
    np.testing.assert_allclose(
        trajectories.loc[0, PROBABILITIES].to_numpy(float), logits.mean(0).softmax(0), rtol=1e-4
    )
    videos = tables["videos"]
    assert videos["video"].tolist() == ["a", "b"]
    assert videos[["trajectories", "rows", "segments"]].to_numpy().tolist() == [
        [2, 53, 3],
        [1, 24, 1],
    ]
    assert set(videos["predicted"]) <= set(CLASSES)
    assert tables["rejected"]["file"].tolist() == [str(people / "b" / "2.csv")]
    printed = capsys.readouterr().out
    assert "rejected: " in printed
    assert "4 segments of 2 trajectories in 2 videos; 1 trajectories too short, 1 files" in printed


def test_one_file_is_enough(people, tmp_path):
    path, _ = model_file(tmp_path)
    tables = classified(path, people / "b" / "1.csv", tmp_path / "out")
    assert tables["videos"]["video"].tolist() == ["b"]
    assert len(tables["segments"]) == 1
    assert tables["rejected"].empty


def test_a_model_without_body_parts_has_no_attention(people, tmp_path):
    path, _ = model_file(tmp_path, {"model": "m12", "segment_length": 24})
    tables = classified(path, people, tmp_path / "out")
    assert not [name for name in tables["segments"] if name.startswith("attention")]
    assert tables["segments"][PROBABILITIES].sum(axis=1).round(6).eq(1).all()


def test_the_command_has_its_defaults(people, tmp_path, monkeypatch, capsys):
    path, _ = model_file(tmp_path)
    monkeypatch.chdir(tmp_path)
    main(["classify", str(path), str(people)])
    assert (tmp_path / "classified" / "people" / "videos.csv").exists()
    assert "all in classified" in capsys.readouterr().out


def test_where_nothing_is_long_enough_it_says_so(people, tmp_path):
    path, _ = model_file(tmp_path)
    with pytest.raises(InputError, match="of 1 trajectories, 0 cannot be read and 1 have fewer th"):
        classified(path, people / "a" / "2.csv", tmp_path / "out")


def test_files_of_any_format_are_classified(tmp_path, capsys):
    path, _ = model_file(tmp_path)
    steps = np.arange(30)[:, None, None, None] * np.array([5.0, 1.0])
    poses = people_of_formats(COCO_17.joints, 2)[:1] + steps
    for name in ("a", "b"):
        (tmp_path / "source" / name).mkdir(parents=True)
        WRITERS["mmpose"][0](tmp_path / "source" / name, poses)
    tables = classified(path, tmp_path / "source", tmp_path / "out")
    assert tables["videos"]["video"].tolist() == ["a/walk", "b/walk"]
    assert "identities inferred by tracking in 2 recordings" in capsys.readouterr().out
    one = tmp_path / "source" / "a" / "walk.json"
    tables = classified(path, one, tmp_path / "of one")
    assert tables["videos"]["video"].tolist() == ["walk"]
    with pytest.raises(InputError, match="does not say who is who"):
        classify_trajectories(path, one, tmp_path / "x", identity="given", device="cpu", threads=1)


def test_a_skeleton_other_than_the_models_is_refused(tmp_path):
    path, _ = model_file(tmp_path)
    WRITERS["kinect-v1"][0](tmp_path, people_of_formats(WRITERS["kinect-v1"][1], 1))
    with pytest.raises(InputError, match=r"20 joints without nose, .* which coco-17 has"):
        classified(path, tmp_path / "Seq1_10.csv", tmp_path / "out")


def test_tables_of_an_earlier_call_are_kept(people, tmp_path):
    path, _ = model_file(tmp_path)
    classified(path, people, tmp_path / "out")
    before = (tmp_path / "out" / "segments.csv").read_bytes()
    with pytest.raises(InputError, match="out: tables of an earlier call; give another --output"):
        classified(path, people / "a", tmp_path / "out")
    assert (tmp_path / "out" / "segments.csv").read_bytes() == before
    arguments = ["classify", str(path), str(people / "a"), "--output", str(tmp_path / "out")]
    main([*arguments, "--device", "cpu", "--force", "true"])
    assert (tmp_path / "out" / "segments.csv").read_bytes() != before


def test_people_in_another_place_than_in_the_training_are_noticed(people, tmp_path, capsys):
    model = build_model(RUN, len(CLASSES)).eval()
    for extent, words in (
        ([0, 70, 0, 70], ""),
        ([1000, 1900, 0, 70], "between 1000 and 1900 in the tra"),
    ):
        trained = TrainedModel(model, RUN, CLASSES, FINGERPRINT, COCO_17, extent)
        save_model(tmp_path / "model.safetensors", trained)
        classify_trajectories(
            tmp_path / "model.safetensors", people, tmp_path / "out", device="cpu", threads=1,
            force=True,
        )  # fmt: skip
        printed = capsys.readouterr().out
        assert (words in printed) if words else ("lies between" not in printed)
    path = tmp_path / "model.safetensors"
    save_model(path, TrainedModel(model, RUN, CLASSES, FINGERPRINT, COCO_17, [1, 2]))
    with pytest.raises(InputError, match=r"extent = .*: expected four numbers in pixels"):
        classified(path, people, tmp_path / "another")


def test_a_model_without_finite_results_classifies_nothing(people, tmp_path):
    model = build_model(RUN, len(CLASSES))
    with torch.no_grad():
        model.head.weight.fill_(3e38)
    save_model(tmp_path / "model.safetensors", TrainedModel(model, RUN, CLASSES, FINGERPRINT))
    with pytest.raises(InputError, match=r"model\.safetensors: gives values that are not finite"):
        classified(tmp_path / "model.safetensors", people, tmp_path / "out")


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["mp4", "gif"])
def test_a_film_shows_the_people_with_class_and_attention(kind, people, tmp_path, capsys):
    path, _ = model_file(tmp_path)
    write_csv(people / "a" / "3.csv", [[row[0], *[0] * 34] for row in trajectory_rows(30)])
    classify_trajectories(path, people, tmp_path / "out", video=kind, device="cpu", threads=1)
    films = sorted((tmp_path / "out" / "films").iterdir())
    assert [film.name for film in films] == [f"a.{kind}", f"b.{kind}"]
    # The film as raw pictures: imageio's own reader leaves files open.
    command = [get_ffmpeg_exe(), "-i", films[0], "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True)
    height = int(re.search(rf", {WIDTH}x(\d+)", raw.stderr.decode())[1])
    frames = [raw.stdout[i : i + 3 * WIDTH * height]
              for i in range(0, len(raw.stdout), 3 * WIDTH * height)]  # fmt: skip
    assert len(frames) == 34  # video frames 1 to 34
    assert len(set(frames)) == len(frames)
    assert f"drawn: {films[0]}" in capsys.readouterr().out


def test_where_no_file_can_be_read_it_says_so(tmp_path):
    path, _ = model_file(tmp_path)
    (tmp_path / "a.json").write_text('[{"image_id": "0.jpg", "keypoints": [1, 2')
    with pytest.raises(InputError, match="of 1 trajectories, 1 cannot be read and 0 have fewer"):
        classified(path, tmp_path / "a.json", tmp_path / "out")
    assert "not JSON, or cut short" in (tmp_path / "out" / "rejected.csv").read_text()
