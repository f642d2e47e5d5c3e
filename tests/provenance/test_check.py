"""The levels of check, and what else is found in a received run."""

import contextlib
import os
import re
import shutil
import tempfile
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
import yaml

from bptubeformer.data.synthetic import write_dataset
from bptubeformer.errors import InputError
from bptubeformer.provenance import check, replay
from bptubeformer.provenance.check import check_crate
from bptubeformer.provenance.crate import write_crate
from bptubeformer.provenance.dataset import Source
from bptubeformer.provenance.expected import Trained
from bptubeformer.provenance.received import METADATA
from bptubeformer.provenance.records import of_history
from bptubeformer.settings import TrainingSettings
from bptubeformer.skeleton import FOLDER
from bptubeformer.training.record import COLUMNS
from fakes import RECORD
from mutations import within_seconds
from provenance.forgeries import flatter_all, of_training
from provenance.tiny import RESULTS, Forger, build, config


def refusal(crate):
    """The message that refuses a crate."""
    with pytest.raises(InputError) as error:
        check_crate(crate)
    return str(error.value)


def test_metadata_that_contradict_a_record_are_found(forger):
    path = forger.folder / METADATA
    path.write_text(path.read_text().replace("tubelets/fold0 on ", "tubelets/fold0 on a GPU, "))
    folder = "results/tiny/video/tubelets/fold0"
    with pytest.raises(InputError, match=rf"the metadata, #{folder}, name: .* on a GPU, "):
        check_crate(forger.folder)


@pytest.mark.parametrize(
    ("add", "words"),
    [
        (lambda place, outside: (place / ".hidden").write_text("x"), r"\.hidden is not one that"),
        (lambda place, outside: (place / "more").symlink_to(outside), "more is a link, pipe or"),
        (lambda place, outside: os.mkfifo(place / "pipe"), "pipe is a link, pipe or device"),
    ],
)
def test_hidden_files_links_and_pipes_are_refused(add, words, forger, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    add(forger.fold("tubelets"), outside)
    with pytest.raises(InputError, match=f"its file results/tiny/video/tubelets/fold0/{words}"):
        check_crate(forger.folder)


def test_a_folder_that_became_a_link_is_refused(forger, tmp_path):
    folder = forger.fold("tubelets")
    folder.rename(tmp_path / "elsewhere")
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError, match="tubelets/fold0 is a link, pipe or device"):
        check_crate(forger.folder)


def test_a_file_that_is_listed_twice_is_refused(forger):
    path = forger.folder / METADATA
    path.write_text(path.read_text().replace('"@id": "LICENSE"', '"@id": "README%2Emd"'))
    with pytest.raises(InputError, match=r"it lists the file README\.md twice"):
        check_crate(forger.folder)


def test_a_few_lines_of_yaml_do_not_unfold_for_ever(forger):
    lines = ["a: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"b{n}: &a{n + 1} [{', '.join([f'*a{n}'] * 10)}]" for n in range(9)]
    (forger.folder / "config.yaml").write_text("\n".join(lines))
    forger.sign_files()
    with within_seconds(), pytest.raises(InputError, match=r"config\.yaml: .*too many values"):
        check_crate(forger.folder)


def test_a_message_names_the_crate_and_never_a_temporary_path(forger, tmp_path):
    forger.record(forger.fold("tubelets"), epochs="many")
    forger.sign_files()
    shutil.make_archive(tmp_path / "sent", "zip", forger.folder)
    where = r"sent\.zip: results/tiny/video/tubelets/fold0/run\.json: epochs = many: expected a w"
    with pytest.raises(InputError, match=where) as error:
        check_crate(tmp_path / "sent.zip")
    assert tempfile.gettempdir() not in str(error.value).replace(str(tmp_path), "")


def test_what_is_asked_for_must_be_there(crate):
    with pytest.raises(InputError, match="--retrain needs the dataset; give it with --data"):
        check_crate(crate, retrain="tubelets/fold0")
    with pytest.raises(
        InputError, match="--runs mine: no such run; one of again, plain, tubelets, twin"
    ):
        check_crate(crate, source=Source("synthetic"), runs=["mine"])
    for name in ("tubelets/fold9", "tubelets", "fold0"):
        with pytest.raises(InputError, match=rf"--retrain {name}: no such training; give one such"):
            check_crate(crate, source=Source("synthetic"), retrain=name)


def test_other_data_is_found(crate, tmp_path):
    write_dataset(tmp_path / "other", seed=7, size=0.6)
    with pytest.raises(InputError, match="differences between the data and what it says of the da"):
        check_crate(crate, source=Source(str(tmp_path / "other")))


def test_the_data_may_be_packed(crate, tmp_path, capsys):
    write_dataset(tmp_path / "raw", seed=6, size=0.6)
    archive = shutil.make_archive(tmp_path / "data", "zip", tmp_path / "raw")
    check_crate(crate, source=Source(archive), runs=["twin"])
    printed = capsys.readouterr().out
    assert "replayed 4 of 4: video/twin/fold1-seed1; time left: about 0 s" in printed
    assert "replayed: the models of the runs twin make their results again, to the bit" in printed


def test_a_training_on_another_machine_is_compared_with_the_spread(forger, capsys):
    for fold in ("fold0", "fold0-seed1"):
        forger.record(forger.fold("tubelets", fold), device="another processor")
    forger.sign()
    check_crate(forger.folder, source=Source("synthetic"), runs=["twin"], retrain="tubelets/fold0")
    assert "reproduced: the training of video/tubelets/fold0, to the bit" in capsys.readouterr().out
    of_training(seed=5)(forger)
    forger.sign()
    check_crate(forger.folder, source=Source("synthetic"), runs=["twin"], retrain="tubelets/fold0")
    printed = capsys.readouterr().out
    assert re.search(r"balanced accuracy: differs by 0\.\d+; the other trainings by 0", printed)
    assert "video/tubelets/fold0, within the spread of the others" in printed


@pytest.mark.parametrize(
    ("file", "column", "value", "words"),
    [
        ("identity.csv", "guessed", 0.99, r"identity\.csv, row 1, guessed: 0\.99; the model"),
        ("identity.csv", "representation", "other", r"identity\.csv: other rows or columns than"),
        ("calibration.csv", "value", 0.99, r"calibration\.csv, row 1, value: 0\.99; the model"),
    ],
)  # fmt: skip
def test_a_forged_probe_is_not_what_the_model_makes(forger, file, column, value, words):
    run = "plain" if file == "identity.csv" else "again"
    forger.csv(forger.fold(run) / file, lambda table: table.isetitem(
        table.columns.get_loc(column), [value, *table[column].iloc[1:]]))  # fmt: skip
    forger.sign()
    with pytest.raises(InputError, match=words):
        check_crate(forger.folder, source=Source("synthetic"), runs=[run])


@pytest.fixture
def light(crate, tmp_path):
    """A crate without weights, unpacked."""
    with contextlib.chdir(crate.parent):
        write_crate(RESULTS, config(), tmp_path / "light.zip", without_weights=True)
    with zipfile.ZipFile(tmp_path / "light.zip") as file:
        file.extractall(tmp_path / "light")
    return tmp_path / "light"


def test_a_crate_without_weights_says_what_it_can_prove(light, crate, capsys):
    assert not list(light.rglob("model.safetensors"))
    check_crate(light, source=Source("synthetic"), retrain="tubelets/fold0")
    printed = capsys.readouterr().out
    assert "\nconsistent: " in printed
    assert "\nreplayed: not possible, 24 models were left out of the crate" in printed
    assert "\nreproduced: the training of video/tubelets/fold0, to the bit" in printed


def test_weights_that_are_added_later_are_compared_with_their_hashes(light, crate, capsys):
    names = [path.relative_to(crate) for path in crate.rglob("model.safetensors")]
    for name in names:
        shutil.copy(crate / name, light / name)
    check_crate(light, source=Source("synthetic"), runs=["twin"])
    assert (
        "\nreplayed: the models of the runs twin make their results again"
        in capsys.readouterr().out
    )
    shutil.copy(crate / names[0], light / names[1])
    with pytest.raises(InputError, match=r"model\.safetensors was changed: its SHA-256 is another"):
        check_crate(light)


def test_a_list_of_weights_leads_nowhere_else(light):
    path = light / RESULTS / "weights.json"
    Forger(light).json(path, lambda content: content["models"][0].update(path="../../../a"))
    Forger(light).sign_files()
    with pytest.raises(InputError, match=r"weights\.json: \.\./\.\./\.\./a is not the path of"):
        check_crate(light)


def test_predictions_of_a_light_crate_are_compared_with_the_new_model(light, capsys):
    forger = Forger(light)
    forger.table(forger.fold("tubelets") / "predictions.parquet", flatter_all)
    forger.refit(forger.fold("tubelets"))
    forger.sign()
    with pytest.raises(InputError, match=r"predictions\.parquet, row \d+, logit .*; the model m"):
        check_crate(light, source=Source("synthetic"), retrain="tubelets/fold0")


def test_a_training_far_from_the_others_is_refused_whatever_machine_it_names(forger):
    of_training(learning_rate=0.05)(forger)
    forger.record(forger.fold("tubelets"), device="another processor")
    forger.sign()
    with pytest.raises(InputError, match=r"differs by .*; the other trainings by .*; expected"):
        check_crate(
            forger.folder, source=Source("synthetic"), runs=["twin"], retrain="tubelets/fold0"
        )


def test_too_few_other_trainings_decide_nothing(forger, monkeypatch, capsys):
    monkeypatch.setattr(check, "LEAST", 9)
    of_training(seed=5)(forger)
    forger.record(forger.fold("tubelets"), device="another processor", threads=100_000)
    forger.sign()
    check_crate(forger.folder, source=Source("synthetic"), runs=["twin"], retrain="tubelets/fold0")
    assert (
        "\nnot decided: the training of video/tubelets/fold0 makes another"
        in capsys.readouterr().out
    )


def test_a_crate_does_not_say_where_the_data_is(crate):
    with pytest.raises(InputError, match=r"--data doi:10\.1/2 needs --server, the address of the"):
        check_crate(crate, source=Source("doi:10.1/2"))


def test_other_code_and_another_configuration_are_told(forger, capsys):
    (forger.folder / "Snakefile").write_text("")
    (forger.folder / "src" / "torch.py").write_text("")
    base = forger.folder / "config.yaml"
    base.write_text(base.read_text().replace("fold: 0", "fold: 1"))
    forger.settings(lambda settings: settings["studies"].update(more=settings["studies"]["alone"]))
    forger.sign()
    shutil.rmtree(forger.results / "more")
    forger.sign_files()
    message = refusal(forger.folder)
    printed = capsys.readouterr().out
    assert "than that of this checkout: 2 files differ, the first: Snakefile" in printed
    assert "its config.yaml is not that of this checkout: its summary names the settings" in printed
    assert "without results: the studies more" in printed
    assert "alone/summary.html says something else than its table" in message


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: f.table(f.fold("twin") / "predictions.parquet",
                           lambda table: table.update(table[["trajectory"]] + 10**6)),
         r"predictions\.parquet, row 1, trajectory"),
        (lambda f: f.record(f.fold("twin"), ended="2026-02-31T00:00:00+00:00"),
         "ended: 2026-02-31T00:00:00.* is not a moment"),
        (lambda f: f.settings(lambda settings: settings["dataset"].update(skeleton="..")),
         r"dataset\.skeleton = \.\.: expected the name of a YAML file"),
        (lambda f: f.settings(lambda settings: settings["dataset"].update(skeleton="x\0y.yaml")),
         "expected the name of a YAML file"),
        (lambda f: f.settings(lambda settings: settings.update(seeds=list(range(100)))),
         r"config\.json: it asks for \d+ trainings, there are 24"),
        (lambda f: f.settings(lambda settings: (settings["split"].update(folds=1000),
                                                settings.update(seeds=list(range(100))))),
         r"config\.json: it asks for \d+ trainings, there are 24"),
        (lambda f: long_trajectory(f),
         r"fold0\.parquet: \d+ windows; the configuration makes \d+ of the store"),
        (lambda f: (f.fold("twin") / "history.csv").write_text(f"{','.join(COLUMNS)}\n" + "\n".join(
            f"{n},1,1,1,1,1,True" for n in range(50))), "50 epochs; the training had ended before"),
        (lambda f: (f.fold("twin") / "history.csv").write_text("x" * 21_000_000), "than 20 MB"),
        (lambda f: (f.fold("twin") / "run.json").write_text(" " * 2_000_000), "more than 1 MB"),
        (lambda f: (f.results / "config.json").write_text(" " * 2_000_000), "more than 1 MB"),
        (lambda f: (f.folder / "config.yaml").write_text(" " * 2_000_000), "more than 1 MB"),
        (lambda f: pd.DataFrame(np.zeros((2_000_000, 200), bool), columns=map(str, range(200)))
            .to_parquet(f.fold("twin") / "predictions.parquet"), "2000000 rows of 200 columns"),
    ],
)  # fmt: skip
def test_numbers_that_would_take_hours_or_no_sense_are_refused_at_once(change, words, forger):
    change(forger)
    forger.sign_files()
    with within_seconds(), pytest.raises(InputError, match=words):
        check_crate(forger.folder)


def test_cells_that_belong_to_no_column_are_refused(forger):
    table = forger.results / "alone" / "tables" / "counts.csv"
    head, *rows = table.read_text().splitlines()
    table.write_text("\n".join([head, *(f"0,{row}" for row in rows)]))
    forger.sign_files()
    with pytest.raises(InputError, match=r"counts\.csv: .*rows of more cells than columns"):
        check_crate(forger.folder)


def test_movement_that_is_not_numbers_is_refused(forger):
    forger.table(forger.fold("tubelets") / "movement.parquet",
                 lambda table: table.assign(**{"speed torso": "fast"}))  # fmt: skip
    forger.sign_files()
    with pytest.raises(InputError, match=r"its column .* does not hold numbers|no column"):
        check_crate(forger.folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            lambda a, _: a.update({"attention torso": a.pop("attention knees")}),
            "the model has others",
        ),
        (
            lambda a, _: a.update({"attention torso": a["attention torso"][:1].clone()}),
            "the model makes",
        ),
    ],
)
def test_attention_of_other_transformers_is_found(forger, change, words):
    forger.arrays(forger.fold("tubelets") / "attention.safetensors", change)
    forger.sign_files()
    with pytest.raises(InputError, match=words):
        check_crate(forger.folder, source=Source("synthetic"), runs=["tubelets"])


def test_a_history_that_goes_on_after_the_stopping_rule_is_found(tmp_path):
    settings = TrainingSettings(max_epochs=10, early_stopping_patience=1)
    one = Trained("video", "mine", 0, 0, tmp_path, {}, settings)
    rows = [f"{epoch},1,{epoch},0.5,0.001,1,{epoch == 1}" for epoch in (1, 2, 3)]
    (tmp_path / "history.csv").write_text("\n".join([",".join(COLUMNS), *rows]))
    record = {**RECORD, "epochs": 3, "best_epoch": 1}
    (fault,) = of_history("history.csv", one, record)
    assert "3 epochs; the training had ended before by its stopping rule" in fault


def test_differences_of_rounding_are_told(forger, capsys):
    def rounded(table):
        for name in table:
            if name.startswith("logit"):
                table[name] *= np.float32(1 + 1e-6)

    forger.table(forger.fold("twin") / "predictions.parquet", rounded)
    forger.sign()
    check_crate(forger.folder, source=Source("synthetic"), runs=["twin"])
    assert re.search(
        r"again, within \d\.\de-07; 0 predicted classes differ", capsys.readouterr().out
    )


def test_small_numbers_beside_large_ones_may_be_rounded(forger):
    """Heads put nearly all attention on one part: the rest is smaller than what rounding leaves."""

    def rounded(arrays, about):
        arrays["attention body parts"] += 1e-6

    forger.arrays(forger.fold("tubelets") / "attention.safetensors", rounded)
    forger.sign_files()
    check_crate(forger.folder, source=Source("synthetic"), runs=["tubelets"])


def test_a_training_is_replayed_in_its_precision_where_the_device_has_it(monkeypatch):
    cpu = torch.device("cpu")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: True)
    assert replay._usable("bf16", cpu) == "bf16"
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    assert [replay._usable(one, cpu) for one in ("bf16", "tf32", "fp32")] == ["fp32"] * 3


def test_metadata_without_end_are_not_read(forger):
    (forger.folder / METADATA).write_text(" " * 21_000_000)
    with pytest.raises(InputError, match=r"not the metadata of a crate \(more than 20 MB"):
        check_crate(forger.folder)


def long_trajectory(forger):
    def store(arrays, about):
        arrays["offsets"][-1] += 3_000_000_000
        about["trajectories"]["rows"][-1] += 3_000_000_000

    def summary(content):
        content["frames"] += 3_000_000_000
        content["categories"][-1]["frames"] += 3_000_000_000

    forger.arrays(forger.results / "data" / "frames.safetensors", store)
    forger.json(forger.results / "data" / "summary.json", summary)


def test_a_folder_in_place_of_a_table_is_refused(forger):
    table = forger.results / "alone" / "tables" / "accuracy.csv"
    table.unlink()
    table.mkdir()
    (table / "x").write_text("")
    forger.sign_files()
    with pytest.raises(InputError, match=r"tables/accuracy\.csv") as error:
        check_crate(forger.folder)
    assert tempfile.gettempdir() not in str(error.value).replace(str(forger.folder), "")


def test_names_of_files_write_no_lines_of_their_own(forger, capsys):
    for number in range(2):
        name = f"zz{number}\x1b[31m\nconsistent: every record agrees"
        (forger.fold("twin") / name).write_text("")
    forger.sign_files()
    with pytest.raises(InputError, match=r"zz0\\x1b\[31m\\nconsistent"):
        check_crate(forger.folder)
    printed = capsys.readouterr().out
    assert "\nconsistent" not in printed
    assert "\x1b" not in printed


def test_what_an_operating_system_leaves_behind_is_no_change(forger):
    for place in (forger.folder, forger.results.parent, forger.fold("twin")):
        (place / ".DS_Store").write_text("x")
    check_crate(forger.folder)


def test_a_page_of_many_numbers_that_differ_is_found(forger):
    folder = forger.results / "alone"

    def rounded(table):
        table["balanced_accuracy_mean"] *= 1 + 1e-9

    forger.csv(folder / "tables" / "accuracy.csv", rounded)
    page = folder / "summary.md"
    text = re.sub(r"\.(\d{3})[0-8]\b", lambda found: f".{found[1]}9", page.read_text())
    page.write_text(text)
    forger.sign_files()
    with pytest.raises(InputError, match=r"summary\.md says something else than its table"):
        check_crate(forger.folder)


def test_a_run_with_labels_groups_and_a_skeleton_of_its_own_is_checked(tmp_path, capsys):
    table = yaml.safe_load((FOLDER / "coco-17.yaml").read_text())
    table["limbs"].pop()
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(table))
    write_dataset(tmp_path / "data", seed=6, size=0.6)
    videos = sorted((tmp_path / "data").glob("*/*/*"))
    rows = [f"{path.name},{path.parent.name},{path.name[-1]}" for path in videos]
    (tmp_path / "labels.csv").write_text("\n".join(["video,label,group", *rows]))
    (tmp_path / "run").mkdir()
    crate = build(
        tmp_path / "run", skeleton=str(tmp_path / "mine.yaml"), labels=str(tmp_path / "labels.csv")
    )
    with pytest.raises(InputError, match=r"its labels are in a table, labels\.csv; give that with"):
        check_crate(crate, source=Source("synthetic"), runs=["twin"])
    source = Source("synthetic", labels=tmp_path / "labels.csv")
    check_crate(crate, source=source, runs=["twin"], retrain="tubelets/fold0")
    assert "reproduced: the training of video/tubelets/fold0, to the bit" in capsys.readouterr().out
