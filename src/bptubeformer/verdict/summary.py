"""One page of results of a finished run: on which data and machine, and every table."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from bptubeformer.atomic import write_text
from bptubeformer.config import told
from bptubeformer.data.store import read_trajectories
from bptubeformer.evaluation.pages import page
from bptubeformer.verdict.evidence import Evidence
from bptubeformer.verdict.judge import (
    CONTRADICTED,
    FOLLOWED,
    NOT_STATED,
    NOT_TESTABLE,
    UNSUPPORTED,
    verdict_table,
)
from bptubeformer.verdict.page import verdict_markdown

TABLES = ("accuracy", "leakage", "metrics", "complexity", "movement")
OF_EVERY_RUN = (CONTRADICTED, FOLLOWED, NOT_STATED, NOT_TESTABLE, UNSUPPORTED)
"""Verdicts that no result of this run has changed: left to the full page."""


def write_summary(evidence: Evidence, base: Mapping[str, Any], output: Path) -> None:
    """Write the page as Markdown, and as HTML with the whole configuration beside it.

    Args:
        evidence: of the run.
        base: ``config.yaml`` as it is in the repository.
        output: the Markdown file.
    """
    text = results_summary(evidence, base)
    config = yaml.safe_dump(
        told(evidence.config), sort_keys=False, default_flow_style=None, width=100
    )
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
    trained = evidence.records_of(evidence.config["runs"])
    records = [record for records in trained.values() for record in records]
    machines = sorted({record["device"] for record in records})
    versions = records[0]["versions"]
    hours = sum(record["seconds"] for record in records) / 3600
    lines = [
        f"# Results on {evidence.dataset}",
        f"Written by the workflow (`bptubeformer summary`) from the tables of one run: "
        f"{len(categories)} classes, {videos} videos, {len(table)} trajectories, "
        f"{table['rows'].sum()} frames. {len(records)} trainings under {evidence.protocol} on "
        f"{', '.join(machines)} with torch {versions['torch']} and Python {versions['python']}, "
        f"together {hours:.1f} hours of their processes.",
    ]
    changes = changed(evidence.config, base)
    # Where the data stands on this machine is nobody else's business.
    changes.get("dataset", {}).pop("source", None)
    changes = {key: value for key, value in changes.items() if value != {}}
    if changes:
        lines.append("What this run changes of `config.yaml`:")
        text = yaml.safe_dump(changes, sort_keys=False, default_flow_style=None, width=100)
        lines.append(f"```yaml\n{text}```")
    left_out = () if evidence.config["leakage"]["runs"] else ("leakage",)
    for name in TABLES:
        if name in left_out:
            continue  # an older run may have left it behind
        path = evidence.results / "tables" / f"{name}.md"
        if path.exists():
            lines.append(_one_level_down(path.read_text(encoding="utf-8")))
    verdicts = verdict_table(evidence)
    decided = verdicts[~verdicts["verdict"].isin(OF_EVERY_RUN)]
    lines.append(_one_level_down(verdict_markdown(decided, evidence, verdicts)))
    return "\n\n".join(lines) + "\n"


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
        elif json.dumps(own) != json.dumps(old):
            changes[key] = own
    return changes
