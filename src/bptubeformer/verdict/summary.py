"""One page of results of a finished run: on which data and machine, and every table."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bptubeformer.atomic import write_text
from bptubeformer.config import WITHOUT_EFFECT, members_of, written_out
from bptubeformer.data.store import read_trajectories
from bptubeformer.evaluation.learned import LOOK_AT, NOT_LEARNED
from bptubeformer.evaluation.pages import page
from bptubeformer.reading import read_yaml
from bptubeformer.schema import Configuration
from bptubeformer.sections import accept
from bptubeformer.stages import TABLES
from bptubeformer.study import Study
from bptubeformer.texts import in_markdown, shown
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.judge import (
    CONTRADICTED,
    FOLLOWED,
    NOT_STATED,
    NOT_TESTABLE,
    UNSUPPORTED,
    verdict_table,
)
from bptubeformer.verdict.page import verdict_markdown

OF_EVERY_RUN = (CONTRADICTED, FOLLOWED, NOT_STATED, NOT_TESTABLE, UNSUPPORTED)
"""Verdicts that no result of this run has changed: left to the full page."""


def write_summary(study: Study, base: Path, output: Path) -> None:
    """Write all tables of a study on one page, with its data, machine and settings.

    Args:
        study: that was run.
        base: config.yaml as it is in the repository.
        output: Markdown file; a page (.html) with the whole configuration is written to the same
            folder.
    """
    listed = read_yaml(base, "a configuration", "git checkout config.yaml")
    given = written_out(accept(Configuration, listed, shown(base)))
    # The machine's own settings change no result: a study does not have them.
    given |= {key: study.config[key] for key in ("device", "slots_per_gpu")}
    given["training"] |= {key: study.config["training"][key] for key in WITHOUT_EFFECT}
    text = results_summary(Evidence(study), given)
    config = yaml.safe_dump(study.config, sort_keys=False, default_flow_style=None, width=100)
    write_text(output, text)
    write_text(
        output.with_suffix(".html"), page(f"{text}\n## The configuration\n\n```\n{config}```\n")
    )


def results_summary(evidence: Evidence, base: Mapping[str, Any]) -> str:
    """The page as Markdown.

    Args:
        evidence: of the run.
        base: ``config.yaml`` as it is in the repository.
    """
    table, categories = read_trajectories(evidence.file("data/frames.safetensors"))
    videos = len(table.drop_duplicates(["category", "video"]))
    study = evidence.study
    trained = evidence.records_of(study.runs)
    records = [record for records in trained.values() for record in records]
    machines = sorted({record["device"] for record in records})
    versions = records[0]["versions"]
    hours = sum(record["seconds"] for record in records) / 3600
    lines = [
        f"# Results on {study.dataset}",
        f"Study {study.name}: {in_markdown(study.question)}",
        f"Written by the workflow (`bptubeformer summary`) from the tables of one run: "
        f"{len(categories)} classes, {videos} videos, {len(table)} trajectories, "
        f"{table['rows'].sum()} frames. {len(records)} trainings under {evidence.protocol} on "
        f"{', '.join(machines)} with torch {versions['torch']} and Python {versions['python']}, "
        f"together {hours:.1f} hours of their processes.",
        *_warning(evidence),
    ]
    changes = changed(evidence.config, base)
    # Where the data stands on this machine is nobody else's business.
    changes.get("dataset", {}).pop("source", None)
    # Runs and studies of others would hide its own.
    own = {*study.runs}
    if study.name in base["studies"]:
        own |= {run for key in ("runs", "counted") for run in members_of(base, study.name, key)}
    for section, names in (("runs", own), ("studies", {study.name})):
        found = changes.get(section, {})
        changes[section] = {name: entry for name, entry in found.items() if name in names}
    changes = {key: value for key, value in changes.items() if value != {}}
    if changes:
        lines.append("What this run changes of `config.yaml`:")
        text = yaml.safe_dump(changes, sort_keys=False, default_flow_style=None, width=100)
        lines.append(f"```yaml\n{text}```")
    # An older run may have left behind tables that this study does not want.
    pages = [
        study.table(f"{output.name}.md")
        for table in TABLES
        if table.wanted(study) and table.name != "verdict"
        for output in table.outputs
        if output.pages
    ]
    lines += [_one_level_down(p.read_text(encoding="utf-8")) for p in pages if p.exists()]
    if study.claims:
        verdicts = verdict_table(evidence)
        decided = verdicts[~verdicts["verdict"].isin(OF_EVERY_RUN)]
        lines.append(_one_level_down(verdict_markdown(decided, evidence, verdicts)))
    return "\n\n".join(lines) + "\n"


def _warning(evidence: Evidence) -> list[str]:
    """Name the runs whose numbers say nothing: nobody must overlook them."""
    try:
        table = evidence.accuracy.reset_index()
    except NotRun:
        return []
    failed = table["run"][~table["learned"].astype(bool)]
    if failed.empty:
        return []
    return [
        f"**{len(failed)} of {len(table)} runs have not learned ({NOT_LEARNED}): "
        f"{', '.join(failed)}.** Their numbers say nothing about the models: {LOOK_AT}."
    ]


def _one_level_down(markdown: str) -> str:
    return re.sub("^#", "##", markdown.strip(), flags=re.MULTILINE)


def changed(config: Mapping[str, Any], base: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys in which a configuration differs from the base; missing runs are null."""
    changes: dict[str, Any] = {}
    for key in [*base, *(key for key in config if key not in base)]:
        own, old = config.get(key), base.get(key)
        if isinstance(own, Mapping) and isinstance(old, Mapping):
            inside = changed(own, old)
            if inside:
                changes[key] = inside
        elif own != old:
            changes[key] = own
    return changes
