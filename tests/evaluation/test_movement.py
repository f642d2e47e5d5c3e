import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError
from bptubeformer.evaluation.attention_movement import (
    attention_movement,
    part_attention,
    part_speeds,
    rank_correlation,
    write_of_fold,
)
from bptubeformer.evaluation.movement import (
    ALL_PARTS,
    BETWEEN_PARTS,
    BODY_PART,
    TUBELETS,
    movement_markdown,
    movement_table,
    read_movement,
)
from bptubeformer.evaluation.trained import TrainedFold
from bptubeformer.models import build_model
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.files import TrainedModel, save_model
from bptubeformer.skeleton import COCO_17
from fakes import CONTENT

WRISTS = list(COCO_17.parts).index("wrists")


def still(frames=8):
    return torch.full((1, frames, 34), 50.0)


def speeds(segment, numbers=range(8)):
    """Speed of each part, frame by frame: (5, T)."""
    return part_speeds(segment, torch.tensor([list(numbers)], dtype=torch.int32), COCO_17)[0]


def test_what_is_no_table_of_movement_is_refused(tmp_path):
    table = pd.DataFrame({"x": [1]})
    table.attrs = {"model": CONTENT}
    table.to_parquet(tmp_path / "movement.parquet")
    with pytest.raises(InputError, match=r"not a table of attention and movement \(no column traj"):
        read_movement(tmp_path / "movement.parquet", COCO_17)


def test_a_part_that_moves_has_its_speed_and_no_other():
    segment = still()
    segment[0, :, 2 * 9] += 3 * torch.arange(8.0)  # the left wrist, 3 pixels a frame
    found = speeds(segment)
    assert found.shape == (5, 8)
    assert found[WRISTS].tolist() == [1.5] * 8  # the mean over both wrists
    assert found.sum() == 1.5 * 8


def test_a_step_counts_for_the_frames_on_both_sides():
    segment = still()
    segment[0, 4:, [18, 20]] += 8  # both wrists, between frames 4 and 5
    assert speeds(segment)[WRISTS].tolist() == [0, 0, 0, 4, 4, 0, 0, 0]


def test_a_step_over_a_gap_took_longer():
    segment = still()
    segment[0, 4:, [18, 20]] += 8
    numbers = [0, 1, 2, 3, 7, 8, 9, 10]
    assert speeds(segment, numbers)[WRISTS].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]


def test_missing_joints_do_not_move():
    segment = still()
    segment[0, 3, 18:20] = 0  # the left wrist is lost for a frame
    assert speeds(segment).nan_to_num(-1).sum() == 0
    segment[0, :, 18:22] = 0  # both wrists are never seen
    assert speeds(segment)[WRISTS].isnan().all()


def test_attention_to_parts_and_times_adds_up():
    model = BPTubeFormer(classes=3, kernel=(2, 2, 2), stride=(2, 1, 1), token_width=8, depth=1)
    attention = {}
    model.eval().embed(torch.rand(4, 24, 34), attention)
    to_parts, to_times = part_attention(attention, model.parts, 12)
    assert to_parts.shape == (4, 5)
    assert (to_parts.sum(1) < 1).all()  # the rest goes to the class token itself
    assert to_times.shape == (4, 5, 12)
    torch.testing.assert_close(to_times.sum(-1), torch.ones(4, 5))


def test_rank_correlation_is_spearmans():
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 5, (2, 6, 9)).astype(float)
    found = rank_correlation(torch.tensor(first), torch.tensor(second))
    expected = [spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(found, expected)
    missing = torch.tensor([[1.0, torch.nan, 2.0], [1.0, 1.0, 1.0]])
    assert np.isnan(rank_correlation(missing, torch.rand(2, 3))).all()


def movement_of(store, model, count=10):
    starts, trajectory = np.arange(0, 4 * count, 4), np.zeros(count, dtype=int)
    segments = Segments.of(store, starts, trajectory, 24, torch.device("cpu"))
    numbers = torch.tensor(store.frame_number)
    return segments, attention_movement(model, segments, numbers, 0, COCO_17)


def test_every_segment_has_its_attention_and_movement(store):
    torch.manual_seed(0)
    model = BPTubeFormer(classes=3, token_width=8, depth=1)
    segments, table = movement_of(store, model)
    assert len(table) == 10
    pd.testing.assert_frame_equal(table, movement_of(store, model)[1])
    assert not table["attention torso true"].equals(table["attention torso shuffled"])
    within = torch.arange(24)
    numbers = torch.tensor(store.frame_number)[segments.starts[:, None] + within]
    speed = part_speeds(segments[slice(None)][0], numbers, COCO_17).nanmean(-1)
    np.testing.assert_allclose(table["speed wrists"], speed[:, WRISTS])


def test_a_model_that_looks_at_single_poses_correlates_as_much_in_the_control(store):
    """Frames keep their speed when shuffled, so attention by pose alone finds it again."""

    class ByPose(BPTubeFormer):
        def encode(self, segments, attention=None):
            attention["body parts"] = [torch.zeros(len(segments), 8, 6, 6)]
            for part in COCO_17.parts:
                # Every tubelet attends to a frame by where its first joint stands.
                place = segments[..., 0][:, None, None, :].softmax(-1)
                attention[part] = [place.expand(-1, 8, 24, 24)]
            return segments[:, 0]

    model = ByPose(classes=3, kernel=(1, 3, 3), stride=(1, 3, 3), token_width=8, depth=1)
    _, table = movement_of(store, model)
    for part in COCO_17.parts:
        np.testing.assert_allclose(
            table[f"tubelets {part} true"], table[f"tubelets {part} shuffled"], atol=1e-6
        )


def trained_fold(fold_files, store, run, folder):
    path = folder / "model.safetensors"
    model = build_model(run, len(store.categories))
    save_model(path, TrainedModel(model, run, list(store.categories), store.fingerprint))
    return TrainedFold.open(*fold_files, path, run, "cpu", 1)


def test_every_test_segment_of_a_fold_is_written(fold_files, store, tmp_path):
    run = {"model": "bptubeformer", "segment_length": 24, "token_width": 8, "depth": 1}
    fold = trained_fold(fold_files, store, run, tmp_path)
    write_of_fold(fold, 0, tmp_path / "movement.parquet")
    table = pd.read_parquet(tmp_path / "movement.parquet")
    assert table["trajectory"].tolist() == fold.trajectory.tolist()
    assert table["window_start"].tolist() == fold.starts.tolist()


def test_a_model_without_body_parts_has_no_attention_to_them(fold_files, store, tmp_path):
    fold = trained_fold(fold_files, store, {"model": "m12", "segment_length": 24}, tmp_path)
    with pytest.raises(InputError, match="m12 has no attention to body parts"):
        write_of_fold(fold, 0, tmp_path / "movement.parquet")
    assert not (tmp_path / "movement.parquet").exists()


@pytest.fixture
def store_file(store, tmp_path):
    store.save(tmp_path / "frames.safetensors")
    return tmp_path / "frames.safetensors"


def made_up(trajectories, follows, generator):
    """``movement.parquet`` of a model whose attention follows movement, or does not."""
    rows = np.repeat(trajectories, 5)
    speed = generator.random((len(rows), 5))
    columns = {"trajectory": rows, "window_start": np.arange(len(rows))}
    for i, part in enumerate(COCO_17.parts):
        columns[f"speed {part}"] = speed[:, i]
        for order in ("true", "shuffled"):
            noise = generator.random(len(rows))
            same = follows and order == "true"
            columns[f"attention {part} {order}"] = speed[:, i] + 0.1 * noise if same else noise
            columns[f"{TUBELETS} {part} {order}"] = 0.5 if same else noise - 0.5
    for order in ("true", "shuffled"):
        columns[f"{BETWEEN_PARTS} {order}"] = 0.7 if follows and order == "true" else 0.0
    return pd.DataFrame(columns)


@pytest.mark.parametrize("follows", [True, False])
def test_the_table_tells_attention_that_follows_from_attention_that_does_not(
    store, store_file, follows
):
    generator = np.random.default_rng(0)
    trajectories = np.arange(len(store.rows))
    folds = [made_up(trajectories, follows, generator) for _ in range(2)]
    folds[0].loc[3, "speed torso"] = np.nan  # usable in the other fold all the same
    table = movement_table(folds, store_file, 200, 0)
    rows = table.set_index(["level", "part", "order"])
    assert len(table) == 2 * (1 + 5 + 5)
    for level, part in ((BODY_PART, "torso"), (TUBELETS, "wrists"), (BETWEEN_PARTS, ALL_PARTS)):
        true, control = (rows.loc[(level, part, order)] for order in ("true", "shuffled"))
        assert (true["interval_low"] > 0.4) == follows, level
        assert control["interval_low"] < 0.1, level
        assert control["interval_high"] > -0.1, level
        assert true["interval_low"] <= true["rank_correlation"] <= true["interval_high"]
        assert (true["minus_shuffled_low"] > 0.2) == follows
        assert true["minus_shuffled"] == pytest.approx(
            true["rank_correlation"] - control["rank_correlation"]
        )
    plain = np.mean([
        spearmanr(f["attention wrists true"], f["speed wrists"]).statistic for f in folds
    ])  # fmt: skip
    assert rows.loc[(BODY_PART, "wrists", "true"), "rank_correlation"] == pytest.approx(plain)
    text = movement_markdown(table)
    assert "| tubelets      | wrists |" in text
    # Both folds tested the same segments.
    assert f"over {len(folds[0])} test segments" in text
    assert rows.loc[(BODY_PART, "torso", "true"), "segments"] == len(folds[0])
    assert rows.loc[(BODY_PART, "wrists", "true"), "segments"] == len(folds[0])
