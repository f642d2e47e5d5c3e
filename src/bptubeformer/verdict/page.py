"""The verdicts for people: Markdown, and one HTML page that needs no network."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from bptubeformer.claims import load_claims, printed_table, section_titles
from bptubeformer.evaluation.tables import render, write_table
from bptubeformer.study import TABLES, Study
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.judge import GATE, VERDICTS, verdict_table

TEMPLATE = Path(__file__).with_name("page.html.j2")
TITLE = "Verdicts: every claim of the paper"
LEADING = "The claims that carry the paper"


def write_verdict(study: Study, output: Path) -> None:
    """Judge every claim of the paper.

    Args:
        study: whose results are the evidence.
        output: verdict.csv; .md and .html are written to the same folder.
    """
    evidence = Evidence(study)
    table = verdict_table(evidence)
    write_table(output, table, verdict_markdown(table, evidence), verdict_page(table, evidence))
    print(count_verdicts(table).to_string())


def verdict_markdown(
    table: pd.DataFrame, evidence: Evidence, counted: pd.DataFrame | None = None
) -> str:
    """The verdicts as Markdown: how many of each, then claim by claim.

    Args:
        table: what ``judge.verdict_table`` returns, or some of its rows.
        evidence: of the run that they are about.
        counted: all of the rows, where only some are shown.
    """
    shown = pd.DataFrame(
        {
            "Id": table["id"] + table["part"],
            "Statement": table["statement"],
            "Paper": table["paper"],
            "Here": table["here"],
            "Difference": _differences(table),
            "Resolvable": _resolvable(table),
            "Verdict": _in_words(table),
            "Evidence": table["evidence"],
        }
    ).map(str)
    notes = [
        "Rules of the verdicts: docs/fidelity.md. A difference is ours minus the paper's, in the "
        "unit printed. Resolvable: the smallest true difference that this run tells from 0 in four "
        "of five repetitions. Evidence is a file of this study or below this dataset's results."
    ]
    whole = table if counted is None else counted
    summary = count_verdicts(whole).rename_axis("Verdict").reset_index(name="Claims")
    leading = table["leading"].to_numpy(bool)
    return "\n".join(
        [
            render(TITLE, summary, [resolution(whole), about(evidence)]),
            *(render(LEADING, rows, []) for rows in [shown[leading]] if len(rows)),
            render("Claim by claim", shown[~leading], notes),
        ]
    )


def verdict_page(table: pd.DataFrame, evidence: Evidence) -> str:
    """The verdicts as one HTML page, with a filter by verdict.

    Args:
        table: what ``judge.verdict_table`` returns.
        evidence: of the run that they are about.
    """
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    rows = table.assign(
        difference=_differences(table),
        files=[_files(names, evidence) for names in table["evidence"]],
    )
    titles = section_titles()
    rows["resolvable"] = _resolvable(table)
    # The page says once, at its top, what is different here.
    closed = rows["reason"].str.startswith(GATE)
    rows["reason"] = rows["reason"].mask(closed, f"{GATE}; see above")
    sections = [(LEADING, rows[rows["leading"]].to_dict("records"))]
    others = rows[~rows["leading"]]
    sections += [
        (titles[letter], group.to_dict("records"))
        for letter, group in others.groupby(others["id"].str[0], sort=False)
    ]
    return template.render(
        title=TITLE,
        about=about(evidence),
        finding=resolution(table),
        counts=count_verdicts(table).items(),
        sections=sections,
    )


def count_verdicts(table: pd.DataFrame) -> pd.Series:
    """Count the parts of claims with each verdict, in the order of ``judge.VERDICTS``."""
    return table["verdict"].value_counts().reindex(VERDICTS, fill_value=0)


def resolution(table: pd.DataFrame) -> str:
    """Say how many of the paper's differences are too small for this run to resolve."""
    shown = paper_differences(table)
    if shown.empty:
        return "No difference of the paper could be compared with what this run resolves."
    below = int((shown["printed"] < shown["resolvable"]).sum())
    smallest = shown["resolvable"].min()
    return (
        f"Of {len(shown)} differences between runs that the paper interprets, {below} are smaller "
        f"than what this run can resolve (at best {smallest:.4f})."
    )


def paper_differences(table: pd.DataFrame) -> pd.DataFrame:
    """Differences between two runs that the paper interprets, beside what this run resolves.

    Returns:
        columns id, printed (absolute), resolvable; one row a pair of runs.
    """
    printed = printed_table(1)
    rows: dict[frozenset[str], tuple[str, float, float]] = {}
    known = table.set_index(["id", "part"])["resolvable"]
    for claim in load_claims():
        pair = _pair(claim.arguments)
        resolvable = known.get((claim.id, claim.part))
        if pair is None or pd.isna(resolvable):
            continue
        percent = claim.arguments.get("percent")
        if set(pair) <= set(printed):
            size = abs(printed[pair[0]]["mean"] - printed[pair[1]]["mean"])
        elif percent is not None:
            size = percent / 100
        else:
            continue
        rows.setdefault(frozenset(pair), (claim.id, size, float(resolvable)))
    return pd.DataFrame(rows.values(), columns=["id", "printed", "resolvable"])


def _pair(arguments: Mapping[str, Any]) -> tuple[str, str] | None:
    """The two runs that a claim compares in balanced accuracy; None where it compares others."""
    other = arguments.get("than", arguments.get("baseline"))
    runs = arguments.get("runs", [arguments.get("run")])
    if other is None or "category" in arguments or len(runs) != 1 or runs[0] is None:
        return None
    return runs[0], other


def about(evidence: Evidence) -> str:
    """Say what the verdicts are about, and why results are not judged where they are not."""
    text = f"Computed on {evidence.study.dataset}, protocol {evidence.protocol}."
    try:
        closed = evidence.closed_by
    except NotRun as missing:
        closed = [str(missing)]
    text += _reached(evidence)
    if closed:
        text += (
            " Claims about results are not testable here, and the numbers beside them only show "
            f"what this run reached: {'; '.join(closed)}."
        )
    return text


def _reached(evidence: Evidence) -> str:
    """Say in how many trainings the last epoch allowed was reached; it does not close the gate."""
    try:
        records = [record for of_run in evidence.records.values() for record in of_run]
    except NotRun:
        return ""
    ended = sum(record["epochs"] >= record["training"]["max_epochs"] for record in records)
    return f" {ended} of {len(records)} trainings reached max_epochs before they stopped early."


def _differences(table: pd.DataFrame) -> list[str]:
    shown = ["" if pd.isna(value) else f"{value:+.4g}" for value in table["difference"]]
    return ["0" if text == "+0" else text for text in shown]


def _resolvable(table: pd.DataFrame) -> list[str]:
    return ["" if pd.isna(value) else f"{value:.3f}" for value in table["resolvable"]]


def _in_words(table: pd.DataFrame) -> list[str]:
    return [
        f"{verdict}: {reason}" if reason else verdict
        for verdict, reason in zip(table["verdict"], table["reason"], strict=True)
    ]


def _link(path: Path, evidence: Evidence) -> str:
    """Return the path of a file, relative to the folder of tables; empty if it does not exist."""
    return os.path.relpath(path, evidence.study.folder / TABLES) if path.is_file() else ""


def _files(names: str, evidence: Evidence) -> list[tuple[str, str]]:
    """Return each file of the evidence, and its path from the page if it is a result."""
    return [(name, _link(evidence.place(name), evidence)) for name in names.split(", ") if name]
