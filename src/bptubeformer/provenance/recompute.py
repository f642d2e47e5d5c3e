"""The tables and verdicts of a finished run once more, from its predictions, without training."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from bptubeformer.config import check_config, studies_of
from bptubeformer.data.splits import Split
from bptubeformer.errors import InputError
from bptubeformer.evaluation.predictions import FILE, Predictions
from bptubeformer.models import read_content
from bptubeformer.stages import STAGES, TABLES, module_of, table_files
from bptubeformer.study import SUMMARY_FILE, Study
from bptubeformer.verdict.summary import write_summary


def made_studies(config: Mapping[str, Any], results: Path) -> list[Study]:
    """Return the studies of a configuration that have results.

    Args:
        config: the configuration.
        results: ``results/<dataset>``.

    Raises:
        InputError: the configuration is not valid.
    """
    studies = studies_of(without_left_out(config), results.parent).values()
    return [study for study in studies if study.folder.is_dir()]


def without_left_out(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration, checked, without the runs and studies that are null in it.

    Raises:
        InputError: it is not valid.
    """
    given = {
        section: {name: entry for name, entry in config[section].items() if entry is not None}
        for section in ("runs", "studies")
    }
    # The data of a received run is elsewhere.
    data = {**config["dataset"], "source": "synthetic"}
    return check_config({**config, **given, "dataset": data}) | {"dataset": config["dataset"]}


def recompute(results: Path, config: Mapping[str, Any], base: Path, output: Path) -> list[Path]:
    """Write the tables and summaries of a run again.

    Args:
        results: ``results/<dataset>`` of the run; its tables are not looked at.
        config: its configuration.
        base: ``config.yaml`` of its checkout, which the summaries compare with.
        output: an empty folder of the dataset's name; the tables go below it, and links to
            all else that the results hold.

    Returns:
        The folders of the studies, below the results.

    Raises:
        InputError: a file of the run is missing, or is not what it should be.
    """
    names = [study.name for study in made_studies(config, results)]
    for path in results.iterdir():
        if path.name not in names:
            (output / path.name).symlink_to(path.resolve())
    studies = studies_of(without_left_out(config), output.parent)
    for study in map(studies.__getitem__, names):
        check_tested(study)
        for table in TABLES:
            if table.wanted(study):
                name = STAGES[table.name].partition(":")[2]
                write = getattr(import_module(module_of(table.name)), name)
                write(Study.read(study.part(*table.reads)), study.table(next(table_files(table))))
        write_summary(study, base, study.folder / SUMMARY_FILE)
    return [Path(name) for name in names]


def check_tested(study: Study) -> None:
    """Refuse predictions that are not of their fold's test segments by their fold's model.

    Raises:
        InputError: names the file.
    """
    places = {(protocol, run) for protocol in study.protocols for run in study.runs}
    places |= {(protocol, run) for protocol in study.compared_protocols for run in study.leakage}
    for protocol, run in sorted(places):
        length = study.runs[run]["segment_length"]
        splits = study.results / "data" / "splits" / protocol / f"T{length}"
        for fold, _, folder in study.fold_folders(protocol, run):
            split = splits / f"fold{fold}.parquet"
            tested = Split.load(split).windows("test")
            shown = Predictions.load(folder / FILE)
            if not all(map(np.array_equal, (shown.starts, shown.trajectory), tested)):
                raise InputError(
                    f"{folder / FILE}: not of the test segments of {split.name}; write it "
                    "again with: bptubeformer predict"
                )
            if shown.model != read_content(folder / "model.safetensors"):
                raise InputError(
                    f"{folder / FILE}: made by another model than the one in its folder; write it "
                    "again with: bptubeformer predict"
                )
