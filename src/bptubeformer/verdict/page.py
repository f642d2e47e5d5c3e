"""The verdicts for people: Markdown, and one HTML page that needs no network."""

from pathlib import Path

import jinja2
import pandas as pd

from bptubeformer.claims import section_titles
from bptubeformer.evaluation.tables import render, write_table
from bptubeformer.verdict.evidence import Evidence
from bptubeformer.verdict.judge import VERDICTS, verdict_table

TEMPLATE = Path(__file__).with_name("page.html.j2")
TITLE = "Verdicts: every claim of the paper"


def write_verdict(evidence: Evidence, output: Path) -> pd.DataFrame:
    """Judge all claims; write the verdicts as CSV, and as Markdown and HTML beside it.

    Returns:
        what ``judge.verdict_table`` returns.
    """
    table = verdict_table(evidence)
    write_table(output, table, verdict_markdown(table, evidence), verdict_page(table, evidence))
    return table


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
            "Id": table["id"],
            "Statement": table["statement"],
            "Paper": table["paper"],
            "Here": table["here"],
            "Difference": _differences(table),
            "Verdict": _in_words(table),
            "Evidence": table["evidence"],
        }
    ).map(lambda cell: str(cell).replace("|", "\\|"))
    notes = [
        "Rules of the verdicts: docs/fidelity.md. A difference is ours minus the paper's, in the "
        "unit printed. Evidence is a file below this dataset's results."
    ]
    counts = count_verdicts(table if counted is None else counted)
    summary = counts.rename_axis("Verdict").reset_index(name="Claims")
    return "\n".join(
        [render(TITLE, summary, [about(evidence)]), render("Claim by claim", shown, notes)]
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
    sections = [
        (titles[letter], group.to_dict("records"))
        for letter, group in rows.groupby(rows["id"].str[0], sort=False)
    ]
    return template.render(
        title=TITLE, about=about(evidence), counts=count_verdicts(table).items(), sections=sections
    )


def count_verdicts(table: pd.DataFrame) -> pd.Series:
    """How many claims have each verdict, in the order of ``judge.VERDICTS``."""
    return table["verdict"].value_counts().reindex(VERDICTS, fill_value=0)


def about(evidence: Evidence) -> str:
    """What the verdicts are about, in two sentences."""
    text = f"Computed on {evidence.dataset}, protocol {evidence.protocol}."
    if not evidence.on_papers_dataset:
        text += (
            " The paper's results are about HR-Crime: claims about results are not testable here, "
            "and the numbers beside them only show what this run reached."
        )
    return text


def _differences(table: pd.DataFrame) -> list[str]:
    shown = ["" if pd.isna(value) else f"{value:+.4g}" for value in table["difference"]]
    return ["0" if text == "+0" else text for text in shown]


def _in_words(table: pd.DataFrame) -> list[str]:
    return [
        f"{verdict}: {reason}" if reason else verdict
        for verdict, reason in zip(table["verdict"], table["reason"], strict=True)
    ]


def _files(names: str, evidence: Evidence) -> list[tuple[str, str]]:
    """Each file of the evidence, and its place seen from the page; none for what is no result."""
    return [
        (name, f"../{name}" if (evidence.results / name).is_file() else "")
        for name in names.split(", ")
        if name
    ]
