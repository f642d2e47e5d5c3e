"""A finished run as one RO-Crate: inputs with checksums, code, configuration, commands, results.

The crate is a checkout of the workflow with the results in it. Skeletons are left out, but for the
one segment that the attention figures show: whether they may be handed on is for the licence of the
dataset to say.
"""

import json
import re
import shlex
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from rocrate.model import ContextEntity, Entity, SoftwareApplication
from rocrate.rocrate import ROCrate

import bptubeformer
from bptubeformer.atomic import replacing, write_text
from bptubeformer.checks import left_in
from bptubeformer.config import studies_of, without_local_paths
from bptubeformer.data.layout import is_junk
from bptubeformer.data.manifest import Manifest, size_and_digest
from bptubeformer.data.reader import text_of
from bptubeformer.data.store import FrameStore, save_without_frames
from bptubeformer.errors import InputError
from bptubeformer.fingerprint import package_fingerprint
from bptubeformer.kinds import Flag
from bptubeformer.reading import read_record
from bptubeformer.sections import parsed_yaml
from bptubeformer.skeleton import known_skeletons
from bptubeformer.stages import tables_of
from bptubeformer.study import (
    HISTORY,
    MODEL,
    PREDICTIONS,
    RECORD,
    STORE,
    SUMMARY_FILE,
    TABLES,
    Study,
)
from bptubeformer.texts import shown
from bptubeformer.training.record import TrainingRecord

CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
LICENCE = "https://spdx.org/licenses/MIT"
WORKFLOW, README = "Snakefile", "README.md"
CODE = (
    WORKFLOW, "workflow", "envs", "profiles", "src", "notebooks", "config.yaml", "demo.yaml",
    "pyproject.toml", "uv.lock", README, "LICENSE", "CITATION.cff",
)  # fmt: skip
"""What of the checkout is needed to compute the results again."""
KEPT = (
    "benchmarks", "cost.csv", "cost.md", "data/splits", "data/rejected.csv", "data/summary.json",
    "data/unlabelled",
)  # fmt: skip
"""Results that are handed on, in addition to studies and folds."""
CONFIG, INPUTS, WEIGHTS = "config.json", "inputs.json", "weights.json"
"""Files of the crate, below ``results/<dataset>``, that are made for it."""
FINGERPRINT = "fingerprint of src/bptubeformer"
FORMATS = {
    ".cff": "application/yaml", ".css": "text/css", ".csv": "text/csv", ".html": "text/html",
    ".ipynb": "application/x-ipynb+json", ".json": "application/json", ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet", ".png": "image/png", ".py": "text/x-python",
    ".rst": "text/x-rst", ".safetensors": "application/octet-stream", ".smk": "text/x-python",
    ".svg": "image/svg+xml", ".toml": "application/toml", ".tsv": "text/tab-separated-values",
    ".yaml": "application/yaml",
}  # fmt: skip
"""Media type of each kind of file that is not plain text."""


@dataclass(frozen=True)
class Run:
    """A finished run."""

    results: Path
    """``results/<dataset>``."""
    config: Mapping[str, Any]
    """Its configuration."""
    rules: Mapping[str, str]
    """Shell command of each rule of the workflow, by the rule's name."""
    checkout: Path
    """The folder of the Snakefile."""
    studies: Sequence[Study] = ()
    """Those that have a summary."""

    @property
    def place(self) -> Path:
        """Return the path of the results in the crate."""
        return Path("results", self.results.name)


def write_crate(
    results: Path,
    config: dict[str, Any],
    output: Path,
    rules: dict[str, str] | None = None,
    checkout: Path = Path(),
    without_weights: Flag = False,
) -> None:
    """Write a finished run as an RO-Crate, to be handed on.

    Args:
        results: results/<dataset>, with the studies that were built.
        config: the configuration of the run, as JSON or YAML.
        output: the crate, a zip archive.
        rules: shell command of each rule of the workflow.
        checkout: folder of the Snakefile.
        without_weights: true leaves the models out and lists their hashes, for a crate that can be
            mailed; they may be added later.

    Raises:
        InputError: a file of the run is missing, or is not what it should be.
    """
    with tempfile.TemporaryDirectory() as folder:
        run = Run(results, config, rules or {}, checkout, _studies(results, config, Path(folder)))
        sources = {path.relative_to(run.checkout): path for path in _code(run.checkout)}
        sources |= {run.place / path.relative_to(run.results): path for path in _kept(run)}
        weights = [path for path in sources if path.name == MODEL]
        left_out = {path: sources.pop(path) for path in weights} if without_weights else {}
        made = _made(run, Path(folder), left_out)
        sources |= {run.place / path.relative_to(folder): path for path in made}
        crate = ROCrate(version="1.1")
        _describe_root(crate, run)
        workflow = _add_workflow(crate, run)
        files = {
            target: crate.add_file(source, target, properties=_about(source))
            for target, source in sorted(sources.items())
            if target != Path(WORKFLOW)
        }
        for target, file in files.items():
            if target == Path(README):
                file["about"] = crate.root_dataset
            if target.name == RECORD:
                _add_training(crate, run, files, target)
        written = max(path.stat().st_mtime for path in _kept(run))
        ended = datetime.fromtimestamp(written, UTC).isoformat(timespec="seconds")
        _add_run(crate, run, workflow, files, ended)
        with replacing(output) as partial:
            crate.write_zip(partial)
    print(f"{output}: {len(sources)} files, {output.stat().st_size / 1e6:.1f} MB")


def _studies(results: Path, config: Mapping[str, Any], place: Path) -> list[Study]:
    """The studies of a configuration that have a summary."""
    whole = left_in(with_skeleton(config, results / STORE, place))
    studies = studies_of(whole, results.parent).values()
    return [study for study in studies if (study.folder / SUMMARY_FILE).exists()]


def _describe_root(crate: ROCrate, run: Run) -> None:
    crate.metadata.extra_contexts.append(CONTEXT)
    root = crate.root_dataset
    root["name"] = f"BPTubeFormer replication: results on {run.results.name}"
    root["description"] = (
        "Replication of Body-part Tubelet Transformer for Human-Related Crime Classification "
        f"(doi:10.1109/AVSS61716.2024.10672609) on the dataset {run.results.name}. To verify it, "
        "and to compute its tables and verdicts again: bptubeformer check <this crate>"
    )
    root["license"] = _work(crate, LICENCE, "MIT License")
    root["conformsTo"] = [_work(crate, place, name) for place, name in PROFILES.items()]


def _work(crate: ROCrate, place: str, name: str) -> Entity:
    return crate.add(ContextEntity(crate, place, {"@type": "CreativeWork", "name": name}))


def _add_workflow(crate: ROCrate, run: Run) -> Entity:
    """The Snakefile, with a step a rule, and the fingerprint of the package."""
    source = run.checkout / WORKFLOW
    workflow = crate.add_workflow(
        source, WORKFLOW, main=True, lang="snakemake", properties=_about(source)
    )
    workflow["name"] = "BPTubeFormer replication"
    workflow["license"] = crate.get(LICENCE)
    workflow["version"] = bptubeformer.__version__
    value = {"@type": "PropertyValue", "name": FINGERPRINT, "value": package_fingerprint()}
    workflow["additionalProperty"] = crate.add(ContextEntity(crate, "#fingerprint", value))
    workflow["step"] = [
        crate.add(
            ContextEntity(crate, f"#{rule}", {"@type": "HowToStep", "name": rule, "text": command})
        )
        for rule, command in run.rules.items()
    ]
    return workflow


def _add_run(
    crate: ROCrate, run: Run, workflow: Entity, files: Mapping[Path, Entity], ended: str
) -> None:
    """Describe the run of Snakemake, and the time of its last result."""
    source = run.config["dataset"]["source"]
    if source.startswith("doi:"):
        source = f"https://doi.org/{source.removeprefix('doi:')}"
    about = {
        "@type": "Dataset",
        "name": run.results.name,
        "description": f"Not in the crate; checksums of its files: {run.place / INPUTS}",
    }
    given = [files[run.place / name] for name in (CONFIG, INPUTS)]
    data = ContextEntity(crate, source if source.startswith("http") else "#dataset", about)
    action = crate.add_action(
        workflow,
        "#run",
        object=[crate.add(data), *given],
        result=[
            file
            for target, file in files.items()
            if target.is_relative_to(run.place) and file not in given
        ],
        properties={
            "name": "The workflow",
            "description": "To compute it again, with the place of the data as dataset.source: "
            f"snakemake --cores all --configfile {run.place / CONFIG}",
            "endTime": ended,
        },
    )
    crate.root_dataset.append_to("mentions", action)


def _add_training(crate: ROCrate, run: Run, files: Mapping[Path, Entity], target: Path) -> None:
    """The training that a ``run.json`` records."""
    record = read_record(run.results / target.relative_to(run.place), TrainingRecord)
    software = [
        crate.add(
            SoftwareApplication(
                crate, f"#{name}-{version}", {"name": name, "softwareVersion": version}
            )
        )
        for name, version in record["versions"].items()
    ]
    results = [target.with_name(name) for name in (MODEL, HISTORY, RECORD)]
    action = crate.add_action(
        software,
        f"#{target.parent}",
        object=[files[run.place / STORE], files[Path(record["split"])]],
        result=[files[path] for path in results if path in files],
        properties=described_training(record, run.place, target.parent),
    )
    crate.root_dataset.append_to("mentions", action)


def described_training(record: Mapping[str, Any], place: Path, folder: Path) -> dict[str, str]:
    """Return what the metadata of a crate say about a training.

    Args:
        record: ``run.json``, as ``TrainingRecord`` accepts it.
        place: ``results/<dataset>``.
        folder: of the fold.
    """
    ended = datetime.fromisoformat(record["ended"])
    split = Path(record["split"])
    options = {
        "store": place / STORE,
        "splits": split.parent,
        "folds": f"[{split.stem.removeprefix('fold')}]",
        "run": json.dumps(record["run"]),
        "training": json.dumps(record["training"]),
        "threads": record["threads"],
        "output": folder,
    }
    about = {
        "name": f"Training of {'/'.join(folder.parts[-3:])} on {record['device']}",
        "description": shlex.join(
            ["bptubeformer", "train", *(f"--{k}={v}" for k, v in options.items())]
        ),
        "endTime": record["ended"],
    }
    if not record["resumed_after_epochs"]:
        began = ended - timedelta(seconds=record["seconds"])
        about["startTime"] = began.isoformat("T", "seconds")
    return about


def with_skeleton(config: Mapping[str, Any], store: Path, place: Path) -> Mapping[str, Any]:
    """Return a configuration whose skeleton is here: that of the store, where it was a file.

    Args:
        config: of a run; its data may be elsewhere.
        store: its frame store, with or without frames.
        place: a folder for the file.

    Raises:
        InputError: the skeleton is not named like a file.
    """
    given = config["dataset"].get("skeleton")
    if not isinstance(given, str) or given in known_skeletons():
        return config
    table = FrameStore.outline(store).skeleton.table
    name = Path(given).name
    if not re.fullmatch(r"[\w.-]{1,100}\.ya?ml", name, re.ASCII):
        raise InputError(f"dataset.skeleton = {shown(given)}: expected the name of a YAML file")
    file = place / "skeleton" / name
    file.parent.mkdir()
    file.write_text(yaml.safe_dump(table), encoding="utf-8")
    return {**config, "dataset": {**config["dataset"], "skeleton": str(file)}}


def _code(checkout: Path) -> Iterator[Path]:
    for name in CODE:
        yield from _below(checkout / name)


def _kept(run: Run) -> Iterator[Path]:
    """Files of the results that are handed on as they are."""
    for name in KEPT:
        yield from _below(run.results / name)
    if not run.studies:
        raise InputError(f"{run.results}: no study has a summary; finish the run: snakemake")
    folders: dict[Path, None] = {}
    for study in run.studies:
        # Of its tables, those that it has now: an older run may have left others behind.
        wanted = set(tables_of(study))
        for path in _below(study.folder):
            if path.parent.name != TABLES or path in wanted:
                yield path
        predictions = study.files(PREDICTIONS) + study.files(
            PREDICTIONS, study.leakage, study.compared_protocols
        )
        folders |= {path.parent: None for path in predictions}
    for folder in folders:
        if not (folder / PREDICTIONS).exists():
            raise InputError(f"{folder}: not trained and tested; finish the run: snakemake")
        yield from _below(folder)


def _below(place: Path) -> Iterator[Path]:
    """A file, or all files below a folder that are not junk and are not being written."""
    if place.is_file():
        yield place
    elif place.is_dir():
        for path in sorted(place.iterdir()):
            if not is_junk(path.name) and path.name != "__pycache__":
                yield from _below(path)


def _made(run: Run, folder: Path, left_out: Mapping[Path, Path]) -> list[Path]:
    """Files made for the crate, in a folder as the results have it.

    Args:
        run: the run.
        folder: where they are written.
        left_out: models that are not in the crate, by their paths there.
    """
    write_text(folder / CONFIG, json.dumps(_again(run), indent=1) + "\n")
    write_text(folder / INPUTS, json.dumps(_inputs(run.results), indent=1) + "\n")
    save_without_frames(run.results / STORE, folder / STORE)
    made = [CONFIG, INPUTS, STORE]
    if left_out:
        models = [
            {"path": str(target.relative_to(run.place)), **size_and_digest(source)}
            for target, source in left_out.items()
        ]
        write_text(folder / WEIGHTS, json.dumps({"models": models}, indent=1) + "\n")
        made.append(WEIGHTS)
    return [folder / name for name in made]


def _again(run: Run) -> dict[str, Any]:
    """The configuration that makes this run again when it is laid over ``config.yaml``."""
    base = parsed_yaml((run.checkout / "config.yaml").read_text(encoding="utf-8"))
    sections = {
        section: {
            **run.config[section],
            **dict.fromkeys(name for name in base[section] if name not in run.config[section]),
        }
        for section in ("runs", "studies")
    }
    return {**without_local_paths(run.config), **sections}


def _inputs(results: Path) -> dict[str, Any]:
    """Path below the dataset's folder, bytes and checksum of every file that was acquired."""
    manifest = read_record(results / "data" / "manifest.json", Manifest)
    folders = [Path(folder) for folder in manifest["folders"]]
    files = [
        {**file, "path": text_of(str(_relative(Path(file["path"]), folders)))}
        for file in manifest["files"]
    ]
    return {"files": files}


def _relative(path: Path, folders: list[Path]) -> Path:
    for folder in folders:
        if path.is_relative_to(folder):
            return path.relative_to(folder)
    raise InputError(
        f"data/manifest.json: {shown(path)} is in none of its folders; write it with: "
        "bptubeformer acquire"
    )


def _about(path: Path) -> dict[str, str]:
    """Size, checksum and media type of a file."""
    found = size_and_digest(path)
    return {
        "contentSize": str(found["bytes"]),
        "sha256": str(found["sha256"]),
        "encodingFormat": FORMATS.get(path.suffix, "text/plain"),
    }
