"""A finished run handed on: what its crate holds, and what is found out about a received one."""

import hashlib
import json
import re
import shlex
import shutil
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from rocrate.rocrate import ROCrate

from bptubeformer.checks import left_in
from bptubeformer.cli import main, parser
from bptubeformer.data.store import FrameStore, read_trajectories
from bptubeformer.errors import InputError
from bptubeformer.fingerprint import package_fingerprint
from bptubeformer.provenance import crate
from bptubeformer.provenance.check import check_crate
from bptubeformer.provenance.crate import Run, write_crate
from bptubeformer.provenance.received import METADATA
from checkout import RESULTS

PAPER = RESULTS / "paper"
FOLD = RESULTS / "as-published" / "BPT-V2" / "fold0"


@pytest.fixture(scope="module")
def checkout(finished):
    return finished[0]


@pytest.fixture(scope="module")
def archive(checkout):
    return checkout / RESULTS / "crate.zip"


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    folder = tmp_path_factory.mktemp("received") / "crate"
    with zipfile.ZipFile(archive) as file:
        file.extractall(folder)
    return folder


@pytest.fixture
def received(unpacked, tmp_path):
    """A copy of the crate, to be changed."""
    return shutil.copytree(unpacked, tmp_path / "crate")


def sign(folder, path):
    """Let the metadata have the checksum of a file as it is now."""
    metadata = json.loads((folder / METADATA).read_text())
    if all(entity["@id"] != str(path) for entity in metadata["@graph"]):
        metadata["@graph"].append({"@id": str(path), "@type": "File"})
        root = next(entity for entity in metadata["@graph"] if entity["@id"] == "./")
        root["hasPart"].append({"@id": str(path)})
    for entity in metadata["@graph"]:
        if entity["@id"] == str(path):
            content = (folder / path).read_bytes()
            entity["sha256"] = hashlib.sha256(content).hexdigest()
            entity["contentSize"] = str(len(content))
    (folder / METADATA).write_text(json.dumps(metadata))


def unlist(folder, path):
    """Let the metadata know nothing of a file."""
    metadata = json.loads((folder / METADATA).read_text())
    metadata["@graph"] = [e for e in metadata["@graph"] if e["@id"] != str(path)]
    for entity in metadata["@graph"]:
        for key in ("hasPart", "result"):
            if isinstance(entity.get(key), list):
                entity[key] = [part for part in entity[key] if part["@id"] != str(path)]
    (folder / METADATA).write_text(json.dumps(metadata))


def test_a_crate_names_all_that_made_the_results(unpacked):
    crate = ROCrate(unpacked)
    assert {entity.id for entity in crate.root_dataset["conformsTo"]} >= {
        "https://w3id.org/ro/wfrun/process/0.5", "https://w3id.org/ro/wfrun/workflow/0.5",
    }  # fmt: skip
    assert crate.root_dataset["license"].id.endswith("MIT")
    workflow = crate.mainEntity
    assert (workflow.id, workflow["additionalProperty"]["value"]) == (
        "Snakefile", package_fingerprint(),
    )  # fmt: skip
    commands = {step["name"]: step["text"] for step in workflow["step"]}
    assert commands["train"].startswith("python src train --store {input.store:q}")
    run = crate.get("#run")
    assert run["instrument"] is workflow
    assert run["description"].endswith(f"--configfile {RESULTS}/config.json")
    results = {entity.id for entity in run["result"]}
    for name in ("paper/tables/accuracy.csv", "paper/tables/verdict.html", "paper/figures/tsne.svg",
                 "paper/summary.md", "paper/notebooks/confusion.ipynb", "benchmarks/ingest.tsv",
                 "data/splits/video/T24/fold0.parquet"):  # fmt: skip
        assert f"{RESULTS}/{name}" in results
    assert f"{RESULTS}/video/BPT-V2/fold1/predictions.parquet" in results  # of the leakage table
    training = crate.get(f"#{FOLD}")
    assert training["description"].startswith("bptubeformer train --store=results/small/data/")
    program, *command = shlex.split(training["description"])
    options = vars(parser("train").parse_args(command))
    assert (program, options["folds"]) == ("bptubeformer", "[0]")
    assert (unpacked / options["splits"] / "fold0.parquet").exists()
    assert training["startTime"] < training["endTime"] <= run["endTime"]
    assert {entity["name"] for entity in training["instrument"]} >= {"torch", "bptubeformer"}
    assert next(entity.id for entity in training["result"]) == f"{FOLD}/model.safetensors"


def test_each_file_of_a_crate_has_its_kind(unpacked):
    crate = ROCrate(unpacked)
    kinds = {
        "Snakefile": "text/plain", "src/bptubeformer/cli.py": "text/x-python",
        f"{PAPER}/tables/accuracy.csv": "text/csv",
        f"{PAPER}/figures/tsne.svg": "image/svg+xml",
        f"{FOLD}/predictions.parquet": "application/vnd.apache.parquet",
        f"{FOLD}/model.safetensors": "application/octet-stream", "README.md": "text/markdown",
    }  # fmt: skip
    assert {name: crate.get(name)["encodingFormat"] for name in kinds} == kinds
    assert all("encodingFormat" in file for file in crate.get_by_type("File") if "sha256" in file)
    assert crate.get("README.md")["about"] is crate.root_dataset


def test_a_crate_is_a_checkout_without_skeletons(unpacked, checkout):
    assert (unpacked / "src/bptubeformer/cli.py").exists()
    assert (unpacked / "uv.lock").read_bytes() == (checkout / "uv.lock").read_bytes()
    inputs = json.loads((unpacked / RESULTS / "inputs.json").read_text())
    assert inputs["files"][0]["path"].startswith("Trajectories/Abuse/")
    assert len(inputs["files"][0]["sha256"]) == 64
    store = unpacked / RESULTS / "data" / "frames.safetensors"
    table, _ = read_trajectories(store)
    assert table.equals(read_trajectories(checkout / RESULTS / "data" / "frames.safetensors")[0])
    with pytest.raises(InputError, match="not a frame store"):
        FrameStore.load(store)
    assert not list(unpacked.rglob("*.csv.gz"))
    assert not list((unpacked / RESULTS).rglob("raw"))
    assert str(checkout) not in (unpacked / METADATA).read_text()
    for name in ("config.json", "inputs.json"):
        assert str(checkout.parent) not in (unpacked / RESULTS / name).read_text()


def test_where_the_data_stood_stays_here(checkout, tmp_path):
    with zipfile.ZipFile(checkout / RESULTS / "crate.zip") as file:
        config = json.loads(file.read(f"{RESULTS}/config.json"))
    config["dataset"]["source"] = "/home/somebody/skeletons"
    write_crate(checkout / RESULTS, config, tmp_path / "crate.zip", checkout=checkout)
    with zipfile.ZipFile(tmp_path / "crate.zip") as file:
        kept = json.loads(file.read(f"{RESULTS}/config.json"))
        assert kept["dataset"]["source"] == "skeletons"
        assert b"somebody" not in file.read(METADATA)


def test_a_sound_crate_is_verified_and_its_tables_are_computed_again(archive, capsys):
    main(["check", str(archive)])
    printed = capsys.readouterr().out
    assert "files: all there and as they were written" in printed
    assert "computed by the code of this checkout" in printed
    for name in ("accuracy", "leakage", "complexity", "movement", "silhouettes", "verdict"):
        assert f"paper/tables/{name}.csv: the same to the last byte" in printed
    for name in ("paper/tables/verdict.html", "paper/summary.md", "paper/summary.html"):
        assert f"{name}: the same to the last byte" in printed
    assert "every table and verdict is what the predictions make" in printed
    assert "replayed: not tried" in printed
    assert "reproduced: not tried" in printed


def test_a_table_that_its_predictions_do_not_make_is_found_out(received):
    """Also where whoever changed it has put its checksum right."""
    path = PAPER / "tables" / "accuracy.csv"
    table = pd.read_csv(received / path)
    table.loc[1, "balanced_accuracy_mean"] = 0.99
    table.to_csv(received / path, index=False)
    sign(received, path)
    words = (
        r"the first: paper/tables/accuracy\.csv, row 3, column balanced_accuracy_mean: 0\.99; comp"
    )
    with pytest.raises(InputError, match=words):
        check_crate(received)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        (
            "accuracy.md",
            lambda text: text + "Better.\n",
            "accuracy.md says something else than",
        ),
        ("folds.csv", lambda text: text[: text.rindex("\n", 0, -1) + 1], "folds.csv, it has other"),
        ("leakage.csv", None, "leakage.csv is missing"),
        (
            "best.csv",
            lambda text: "run,accuracy\nours,1\n",
            "best.csv: nothing in the configuration",
        ),
        ("../summary.md", lambda text: text + "Better.\n", r"summary\.md says something else than"),
    ],
)
def test_pages_and_rows_that_are_others_are_found_out(received, name, change, words):
    path = PAPER / "summary.md" if "summary" in name else PAPER / "tables" / name
    if change:
        file = received / path
        file.write_text(change(file.read_text() if file.exists() else ""))
        sign(received, path)
    else:
        (received / path).unlink()
        unlist(received, path)
    with pytest.raises(InputError, match=words):
        check_crate(received)


def test_what_only_rounding_changes_is_the_same(received, capsys):
    for name, column in (("accuracy", "balanced_accuracy_mean"), ("metrics", "mean")):
        path = PAPER / "tables" / f"{name}.csv"
        table = pd.read_csv(received / path)
        table[column] += 1e-12
        table.to_csv(received / path, index=False)
        sign(received, path)
    page = PAPER / "tables" / "accuracy.md"
    text = (received / page).read_text()
    number = re.search(r"0\.\d{3}[0-8]", text)[0]
    (received / page).write_text(text.replace(number, f"{float(number) + 0.0001:.4f}", 1))
    sign(received, page)
    check_crate(received)
    printed = capsys.readouterr().out
    for name in ("accuracy.csv", "accuracy.md"):
        assert f"paper/tables/{name}: the same but for rounding" in printed
    (received / page).write_text(text.replace(number, "0.9999", 1))
    sign(received, page)
    with pytest.raises(InputError, match=r"accuracy\.md says something else than its table"):
        check_crate(received)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: file.unlink(), "has no file|is missing"),
        (lambda file: file.write_bytes(file.read_bytes() + b"1"), r"has \d+ bytes; \d+ were writ"),
        (lambda file: file.write_bytes(file.read_bytes()[:-1] + b"?"), "was changed: its SHA-256"),
        (lambda file: file.with_name("more.csv").write_text("1"), "is not one that was written"),
    ],
)
def test_files_that_are_not_those_that_were_written_are_found_out(received, change, words):
    change(received / FOLD / "history.csv")
    with pytest.raises(InputError, match=rf"its file {RESULTS}.*({words})"):
        check_crate(received)


def test_what_an_operating_system_leaves_behind_is_no_change(received):
    (received / ".DS_Store").write_text("x")
    check_crate(received)


def leading_out(folder):
    text = (folder / METADATA).read_text()
    (folder / METADATA).write_text(text.replace(f"{FOLD}/history.csv", "../../a.csv"))


def without_files(folder):
    """No file is listed, not even the Snakefile."""
    metadata = json.loads((folder / METADATA).read_text())
    for entity in metadata["@graph"]:
        kinds = entity["@type"] if isinstance(entity["@type"], list) else [entity["@type"]]
        entity["@type"] = [kind.replace("File", "Dataset") for kind in kinds]
    (folder / METADATA).write_text(json.dumps(metadata))


def other_code(folder):
    path = Path("src/bptubeformer/evaluation/metrics.py")
    (folder / path).write_text((folder / path).read_text() + "\nTOP = 13\n")
    sign(folder, path)


def two_datasets(folder):
    (folder / "results" / "another").mkdir()


def of_another_name(folder):
    (folder / RESULTS).rename(folder / "results" / "hr-crime")
    text = (folder / METADATA).read_text()
    (folder / METADATA).write_text(text.replace(str(RESULTS), "results/hr-crime"))


def without_studies(folder):
    for path in (folder / RESULTS).glob("*/summary.*"):
        for file in filter(Path.is_file, path.parent.rglob("*")):
            unlist(folder, file.relative_to(folder))
        shutil.rmtree(path.parent, ignore_errors=True)


def test_a_run_without_a_summary_is_no_crate(archive, checkout, tmp_path):
    with zipfile.ZipFile(archive) as file:
        config = json.loads(file.read(f"{RESULTS}/config.json"))
    summary, aside = checkout / PAPER / "summary.md", tmp_path / "summary.md"
    shutil.move(summary, aside)
    with pytest.raises(InputError, match="no study has a summary; finish the run"):
        write_crate(checkout / RESULTS, config, tmp_path / "crate.zip", checkout=checkout)
    shutil.move(aside, summary)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (without_studies, "no study of it has results"),
        (lambda folder: (folder / METADATA).write_text("{"), "not the metadata of a crate"),
        (lambda folder: (folder / METADATA).unlink(), "not the metadata of a crate|no such file"),
        (leading_out, "leads out of it"),
        (without_files, "not the metadata of a crate|is not one that was written"),
        (other_code, "its code is not that which it names"),
        (two_datasets, "there are results of more than one dataset"),
        (of_another_name, "it is of another dataset"),
    ],
)
def test_broken_metadata_and_what_does_not_belong_together_are_found_out(received, change, words):
    change(received)
    with pytest.raises(InputError, match=words):
        check_crate(received)


def test_a_link_is_no_file_of_a_crate(received, tmp_path):
    path = received / FOLD / "history.csv"
    path.rename(tmp_path / "history.csv")
    path.symlink_to(tmp_path / "history.csv")
    with pytest.raises(InputError, match=r"history\.csv is a link, pipe or device"):
        check_crate(received)


def test_the_configuration_makes_the_run_again(unpacked, checkout):
    """Laid over config.yaml: runs that were left out stay out."""
    with zipfile.ZipFile(checkout / RESULTS / "crate.zip") as file:
        config = json.loads(file.read(f"{RESULTS}/config.json"))
    paper = {**config["studies"]["paper"], "runs": ["BPT-V2"], "baseline": "BPT-V2", "counted": []}
    fewer = {**config, "runs": {"BPT-V2": config["runs"]["BPT-V2"]}, "studies": {"paper": paper}}
    made = crate._again(Run(checkout / RESULTS, fewer, {}, checkout))
    assert made["runs"]["ST-Tran"] is made["studies"]["controls"] is None
    assert list(left_in(made)["runs"]) == ["BPT-V2"]


def test_a_configuration_that_is_none_is_refused(received):
    path = RESULTS / "config.json"
    words = "not the configuration of a run|is missing|expected"
    for text in ("{}", "[]", '{"runs": {}, "studies": {}, "dataset": {}}', "{"):
        (received / path).write_text(text)
        sign(received, path)
        with pytest.raises(InputError, match=rf"crate: {RESULTS}/config\.json: .*({words})"):
            check_crate(received)


def test_what_is_no_crate_is_refused(tmp_path, archive):
    with pytest.raises(InputError, match="no such crate"):
        check_crate(tmp_path / "none.zip")
    (tmp_path / "a.txt").write_text("")
    with pytest.raises(InputError, match=r"not an archive; give the \.zip of a crate"):
        check_crate(tmp_path / "a.txt")
    (tmp_path / "cut.zip").write_bytes(archive.read_bytes()[:-100])
    with pytest.raises(InputError, match="cannot be unpacked"):
        check_crate(tmp_path / "cut.zip")


def test_a_run_that_is_not_finished_makes_no_crate(checkout, tmp_path):
    results = shutil.copytree(checkout / RESULTS, tmp_path / "small")
    with zipfile.ZipFile(results / "crate.zip") as file:
        config = json.loads(file.read(f"{RESULTS}/config.json"))
    shutil.move(results / "video", tmp_path)
    with pytest.raises(InputError, match="not trained and tested; finish the run: snakemake"):
        write_crate(results, config, tmp_path / "crate.zip", checkout=checkout)
    shutil.move(tmp_path / "video", results)
    (results / "data" / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"manifest\.json: no such file; write it with"):
        write_crate(results, config, tmp_path / "crate.zip", checkout=checkout)
    file = {"path": "/elsewhere/1.csv", "bytes": 1, "sha256": None}
    manifest = {"source": "", "folders": ["/data"], "files": [file]}
    (results / "data" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=r"/elsewhere/1\.csv is in none of its folders"):
        write_crate(results, config, tmp_path / "crate.zip", checkout=checkout)
    assert not (tmp_path / "crate.zip").exists()
