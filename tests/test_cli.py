"""Every stage by hand, one after the other, as a person would call them."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import yaml

from bptubeformer.cli import COMMANDS, main, mapping, names, settings_of
from bptubeformer.data.splits import SplitSettings
from bptubeformer.errors import InputError
from conftest import REPOSITORY, trajectory_rows, write_csv

RUN = "{model: bptubeformer, segment_length: 24, token_width: 8, depth: 1}"
TRAINING = "{batch_size: 16, max_epochs: 2}"
SETTINGS = json.dumps(
    {
        "folds": 2, "seed": 42, "minimum_rows": 24, "test_fraction": 0.2,
        "validation_fraction": 0.25,
    }
)  # fmt: skip


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """Folder with what all stages wrote for one run of two folds."""
    folder = tmp_path_factory.mktemp("results")

    def run(*arguments):
        main([str(argument) for argument in arguments])

    store, model = folder / "data" / "frames.safetensors", folder / "video" / "mine"
    split = folder / "split"
    run("synthetic", "--seed", 1, "--size", 0.6, "--folder", folder / "raw",
        "--output", folder / "made.json")  # fmt: skip
    run("acquire", "--source", folder / "raw", "--folder", folder / "none",
        "--output", folder / "manifest.json")  # fmt: skip
    run("ingest", "--manifest", folder / "manifest.json", "--output", store)
    run("split", "--store", store, "--protocol", "video", "--segment-length", 24, "--step", 24,
        "--settings", SETTINGS, "--output", split)  # fmt: skip
    for fold in range(2):
        shared = ["--store", store, "--split", split / f"fold{fold}.parquet"]
        mine = model / f"fold{fold}"
        trained = mine / "model.safetensors"
        run("train", *shared, "--run", RUN, "--training", TRAINING, "--output", mine)
        run("test", *shared, "--model", trained, "--output", mine / "predictions.parquet")
        run(
            "attention_movement", *shared, "--model", trained, "--output", mine / "movement.parquet"
        )
    run("embed", *shared, "--model", trained, "--per-class", 3,
        "--output", mine / "embeddings.safetensors")  # fmt: skip
    run("attend", "--store", store, "--model", trained, "--category", "Abuse",
        "--predictions", mine / "predictions.parquet",
        "--output", mine / "attention.safetensors")  # fmt: skip
    runs = json.dumps({"mine": {"experiment": "x", **mapping(RUN)}})
    tables = folder / "tables"
    folds = ["--results", folder, "--store", store, "--protocols", "video", "--folds", 2]
    run("accuracy", *folds, "--runs", runs, "--baseline", "mine",
        "--output", tables / "accuracy.csv")  # fmt: skip
    run("leakage", *folds, "--runs", "mine",
        "--output", tables / "leakage.csv")  # fmt: skip
    run("movement", "--store", store, "--bootstrap", 100, 0,
        "--folds", *(model / f"fold{fold}" / "movement.parquet" for fold in range(2)),
        "--output", tables / "movement.csv")  # fmt: skip
    embeddings = ["--embeddings", mine / "embeddings.safetensors"]
    run("silhouettes", "--store", store, *embeddings, "--output", tables / "silhouettes.csv")
    run("projector", *embeddings, "--name", "mine", "--output", folder / "projector" / "p.pbtxt")
    run("complexity", "--store", store, "--runs", runs,
        "--output", folder / "tables" / "complexity.csv")  # fmt: skip
    return folder


def test_a_fold_has_its_files(results):
    fold = results / "video" / "mine" / "fold1"
    assert {path.name for path in fold.iterdir()} == {
        "model.safetensors", "history.csv", "run.json", "predictions.parquet",
        "embeddings.safetensors", "attention.safetensors", "movement.parquet",
    }  # fmt: skip
    history = pd.read_csv(fold / "history.csv")
    assert history["epoch"].tolist() == [1, 2]
    assert history["best"].any()


def test_tables_are_written_for_programs_and_for_people(results):
    for name in ("accuracy", "complexity", "leakage"):
        assert len(pd.read_csv(results / "tables" / f"{name}.csv")) == 1
        assert "| mine " in (results / "tables" / f"{name}.md").read_text()
    assert len(pd.read_csv(results / "tables" / "folds.csv")) == 2 * 3  # folds, units
    assert len(pd.read_csv(results / "tables" / "recalls.csv")) == 2 * 3 * 13
    assert "| wrists " in (results / "tables" / "movement.md").read_text()


def test_verdict_and_summary_of_what_was_made(results, tmp_path):
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    config["dataset"] = {**config["dataset"], "name": "mine", "source": "synthetic"}
    config["runs"] = {"mine": {"experiment": "x", **mapping(RUN)}}
    config |= {"protocols": ["video"], "split": {**config["split"], "folds": 2}}
    given = ["--results", str(results), "--config", json.dumps(config)]
    main(["verdict", *given, "--output", str(tmp_path / "verdict.csv")])
    table = pd.read_csv(tmp_path / "verdict.csv").set_index("id")
    assert table.at["S04", "verdict"] == "differs"  # two folds
    assert table.at["S02", "verdict"] == "not run"  # two epochs
    assert "<!doctype html>" in (tmp_path / "verdict.html").read_text()
    main(["summary", *given, "--base", str(REPOSITORY / "config.yaml"),
          "--output", str(tmp_path / "summary.md")])  # fmt: skip
    assert "# Results on" in (tmp_path / "summary.md").read_text()


def test_wrong_input_is_one_line_and_leaves_nothing(tmp_path):
    rows = trajectory_rows()
    rows[3][7] = "abc"
    write_csv(tmp_path / "data" / "walk" / "v" / "1.csv", rows)
    write_csv(tmp_path / "data" / "jump" / "v" / "1.csv", trajectory_rows())
    main(["acquire", "--source", str(tmp_path / "data"), "--folder", str(tmp_path / "raw"),
          "--output", str(tmp_path / "manifest.json")])  # fmt: skip
    store = tmp_path / "out" / "frames.safetensors"
    command = [sys.executable, "src", "ingest", "--manifest", str(tmp_path / "manifest.json"),
               "--output", str(store)]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "1 of 2 trajectories cannot be read, more than 0.01 of them" in done.stderr
    assert "walk/v/1.csv, row 4, column x3: 'abc'" in done.stderr
    assert [path.name for path in store.parent.iterdir()] == ["rejected.csv"]
    (row,) = pd.read_csv(store.with_name("rejected.csv")).itertuples()
    assert (row.category, row.row, row.column) == ("walk", 4, "x3")


def test_what_is_rejected_is_listed_and_what_is_passed_over_counted(tmp_path, capsys):
    for name in ("walk", "jump"):
        write_csv(tmp_path / "data" / name / "v" / "1.csv", trajectory_rows())
    write_csv(tmp_path / "data" / "jump" / "v\n2" / "1.csv", [])
    write_csv(tmp_path / "data" / "Normal" / "v" / "1.csv", trajectory_rows())
    (tmp_path / "data" / ".DS_Store").write_text("")
    (tmp_path / "data" / "walk" / "v" / "notes.txt").write_text("")
    (tmp_path / "data" / "jump" / "v" / "4.csv").symlink_to("gone")
    main(["acquire", "--source", str(tmp_path / "data"), "--folder", str(tmp_path / "raw"),
          "--output", str(tmp_path / "manifest.json")])  # fmt: skip
    main(["ingest", "--manifest", str(tmp_path / "manifest.json"), "--max-rejected", "0.5",
          "--output", str(tmp_path / "out" / "frames.safetensors")])  # fmt: skip
    shown = capsys.readouterr().out
    for line in (
        "jump/v\\n2/1.csv: the file is empty", "jump/v/4.csv: cannot be read (No such file",
        "2 files rejected, listed in", "2 categories, 2 trajectories, 60 frames",
        "passed over: 1 left behind by an operating system", "passed over: 1 of normal videos",
        "passed over: 1 not .csv", "left out as normal videos: Normal",
    ):  # fmt: skip
        assert line in shown
    assert len(pd.read_csv(tmp_path / "out" / "rejected.csv")) == 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    faults = [file for file in manifest["files"] if file["sha256"] is None]
    assert [file["path"].rsplit("/")[-1] for file in faults] == ["4.csv"]


def test_a_file_that_is_not_there_is_one_line(tmp_path):
    missing = tmp_path / "manifest.json"
    with pytest.raises(SystemExit, match=r"manifest\.json: no such file"):
        main(["ingest", "--manifest", str(missing), "--output", str(tmp_path / "store")])


@pytest.mark.parametrize("text", ["[1]", "word", "{a: [}", "[" * 100_000])
def test_what_is_no_mapping_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["train", "--store", "s", "--split", "s", "--run", text, "--output", "o"])
    assert "argument --run" in capsys.readouterr().err


@pytest.mark.parametrize("text", ["{a: b}", "word", "[1]", "[a"])
def test_what_is_no_list_of_names_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["ingest", "--manifest", "m", f"--categories={text}", "--output", "o"])
    assert "argument --categories" in capsys.readouterr().err


def test_names_of_classes_may_look_like_options():
    assert names('["-x", "--output"]') == ["-x", "--output"]
    assert names("[walk, jump]") == ["walk", "jump"]


def test_a_setting_outside_its_bounds_is_refused_by_its_key():
    with pytest.raises(
        InputError, match=r"split\.folds = 1: expected a whole number of at least 2"
    ):
        settings_of(SplitSettings, {"folds": 1}, "split")


def test_an_unknown_training_setting_is_refused():
    with pytest.raises(SystemExit, match=r"training\.learning_rat: unknown key"):
        main(["train", "--store", "s", "--split", "s", "--run", RUN,
              "--training", "{learning_rat: 1}", "--output", "o"])  # fmt: skip


def test_small_numbers_of_json_stay_numbers():
    assert mapping('{"epsilon": 1e-09}') == {"epsilon": 1e-9}


@pytest.mark.parametrize("stage", ["acquire", "train", "notebook"])
def test_every_stage_explains_itself_without_torch(stage):
    code = f"import sys; sys.modules['torch'] = None; sys.path.insert(0, 'src'); \
import bptubeformer.cli as cli; cli.main(['{stage}', '--help'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True,
                          text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: bptubeformer {stage} ")


@pytest.fixture
def fail_with(monkeypatch):
    """Call a command that ends in an error."""

    def call(error):
        def fail(**given):
            raise error

        monkeypatch.setitem(COMMANDS, "fail", (fail, ()))
        main(["fail"])

    return call


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            FileNotFoundError(2, "No such file or directory", "a\nb"),
            "a\\nb: no such file; check the",
        ),
        (
            PermissionError(13, "Permission denied", "results"),
            "results: Permission denied; check the",
        ),
        (NotADirectoryError(20, "Not a directory", "a/b"), "a/b: Not a directory; check the path"),
        (OSError(28, "No space left on device"), "the disk is full; make room, then run the same"),
    ],
)
def test_errors_of_the_operating_system_are_one_line(fail_with, error, words):
    with pytest.raises(SystemExit) as exit:
        fail_with(error)
    assert exit.value.code.startswith(f"bptubeformer: {words}")


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "too little memory; let fewer jobs run at a time"),
        (RuntimeError("CUDA error: out of memory"), "too little memory; let fewer jobs"),
        (KeyboardInterrupt(), "interrupted; what is done stays"),
    ],
)
def test_too_little_memory_and_an_interruption_are_one_line(fail_with, error, words):
    with pytest.raises(SystemExit) as exit:
        fail_with(error)
    assert exit.value.code.startswith(f"bptubeformer: {words}")


def test_what_is_no_fault_of_the_input_keeps_its_traceback(fail_with):
    with pytest.raises(OSError, match="Input/output"):
        fail_with(OSError(5, "Input/output error"))
    with pytest.raises(RuntimeError, match="multiplied"):
        fail_with(RuntimeError("shapes cannot be multiplied"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["ingest", "--manifest", "m", "--output", "o", "--threads", "0"], "not a whole number"),
        (["ingest", "--manifest", "m", "--output", "o", "--max-rejected", "nan"], "not a number"),
        (["acquire", "--source", "s", "--folder", "f", "--output", "o", "--max-gigabytes", "inf"],
         "not a number of at least 0: inf"),
        (["synthetic", "--folder", "f", "--output", "o", "--seed", "-1"], "not a whole number"),
    ],
)  # fmt: skip
def test_numbers_that_are_none_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ("{learning_rate: x}", r"training\.learning_rate = 'x': expected a number above 0"),
        (
            "{max_epochs: 2.5}",
            r"training\.max_epochs = 2\.5: expected a whole number",
        ),
        ("{betas: [0.9]}", r"training\.betas = \[0\.9\]: expected two numbers from 0 to below 1"),
        ("{precision: 16}", r"training\.precision = 16: expected fp32, tf32 or bf16"),
        ("{epsilon: .inf}", r"training\.epsilon = inf"),
    ],
)
def test_training_settings_of_another_kind_are_refused(training, words):
    with pytest.raises(SystemExit, match=words):
        main(["train", "--store", "s", "--split", "s", "--run", RUN, "--training", training,
              "--output", "o"])  # fmt: skip


@pytest.mark.parametrize(
    ("run", "words"),
    [
        ("{}", "model None is not one of"),
        ("{model: os}", "model 'os' is not one of"),
        (
            "{model: sttran, segment_length: 24, width: 3}",
            "sttran has no width; it has segm",
        ),
        ("{model: sttran, segment_length: 24.0}", "segment_length 24.0: expected a whole number"),
        (
            "{model: sttran, segment_length: 24, heads: -2}",
            "heads -2: expected a whole number",
        ),
        (
            "{model: sttran, segment_length: 24, dropout: .nan}",
            "dropout nan: expected a number",
        ),
        ("{model: sttran}", "it names no segment_length"),
    ],
)
def test_runs_that_are_none_are_refused(results, tmp_path, run, words):
    with pytest.raises(SystemExit) as exit:
        main(["train", "--store", str(results / "data" / "frames.safetensors"), "--split",
              str(results / "split" / "fold0.parquet"), "--run", run,
              "--output", str(tmp_path / "o")])  # fmt: skip
    assert words in str(exit.value.code)
    assert "see runs in config.yaml" in str(exit.value.code)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["complexity", "--store", "s", "--output", "o", "--runs", '{"a": 5}'], "run a names no"),
        (["complexity", "--store", "s", "--output", "o", "--runs", '{"a": {"experiment": "x"}}'],
         "run a names no model"),
        (["verdict", "--results", "r", "--output", "o", "--config", "{}"],
         "it has no dataset; give all of config.yaml"),
    ],
)  # fmt: skip
def test_configurations_that_are_none_are_refused(arguments, words, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert words in capsys.readouterr().err


def test_attention_of_predictions_for_other_data_is_refused(results, tmp_path):
    fold = results / "video" / "mine" / "fold1"
    table = pd.read_parquet(fold / "predictions.parquet")
    attend = ["attend", "--store", str(results / "data" / "frames.safetensors"), "--model",
              str(fold / "model.safetensors"), "--predictions", str(tmp_path / "p.parquet"),
              "--output", str(tmp_path / "attention.safetensors")]  # fmt: skip
    labels = table["label"].cat.codes.to_numpy()
    wrong = table["label"].cat.categories[(labels + 1) % 13]
    for change, words in (
        ({"window_start": 10**6}, "do not lie within a trajectory of this store"),
        ({"trajectory": 999}, "do not lie within a trajectory of this store"),
        ({"label": pd.Categorical(wrong, categories=table["label"].cat.categories)},
         "predictions for other data"),
        ({"logit Abuse": float("nan")}, "not a table of predictions"),
    ):  # fmt: skip
        table.assign(**change).to_parquet(tmp_path / "p.parquet")
        with pytest.raises(SystemExit, match=words):
            main(attend)
