"""The findings of a study: its questions about two runs each, answered together; not in the paper.

A question asks if one run is better than another. Its answer rests on the paired difference of
balanced accuracy and its interval (``evaluation.uncertainty``), at levels that Holm's method sets
for all questions of the study: in all, one false answer in twenty studies at most. A question about
uncertainty rests on the paired differences of the folds (``evaluation.calibration``).
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import stdtr

from bptubeformer.evaluation.calibration import better_by
from bptubeformer.evaluation.learned import NOT_LEARNED, notes_of_marks
from bptubeformer.evaluation.tables import ranges, render, signed, write_table
from bptubeformer.evaluation.uncertainty import CONFIDENCE, Estimate
from bptubeformer.kinds import CHANCE
from bptubeformer.study import Study
from bptubeformer.verdict.evidence import Evidence
from bptubeformer.verdict.rules import Rules, largest_resolvable

YES, NO, CANNOT = "yes", "no", "cannot tell"
ACCURACY = "balanced accuracy"
COLUMNS = (
    "question", "run", "baseline", "measure", "protocol", "trajectories", "difference",
    "difference_low", "difference_high", "confidence", "corrected_for", "resolvable", "answer",
    "reason",
)  # fmt: skip
UNDECIDED = "the interval holds 0"
UNTESTED = "no fold tests such segments"


def write_findings(study: Study, output: Path) -> None:
    """Write the answers to the questions of a study.

    Args:
        study: whose runs were tested.
        output: findings.csv; .md and .html are written to the same folder.

    Raises:
        InputError: the tables of accuracies are missing or not tables.
    """
    evidence = Evidence(study)
    table = findings_table(evidence)
    write_table(output, table, findings_markdown(table, evidence))


def findings_table(evidence: Evidence) -> pd.DataFrame:
    """Answer every question of a study.

    Returns:
        a row a question: ``difference`` by which ``run`` is better than ``baseline`` by the
        ``measure``, its interval at the confidence that Holm's method gives it, ``corrected_for``
        (questions; 0 where the data cannot answer it), ``resolvable``, ``answer`` and ``reason``.
    """
    questions = evidence.study.findings
    estimates, reasons = {}, {}
    differences: dict[tuple[str, bool], dict[str, np.ndarray]] = {}
    for question, (run, other, *measures) in questions.items():
        runs = [run] if other == CHANCE else [run, other]
        evidence.check_trained(*runs)
        estimate = evidence.counts.balanced_accuracy(*runs)
        failed = [one for one in runs if not evidence.accuracy_of(one)["learned"]]
        reasons[question] = (
            f"not learned: {', '.join(failed)}" if failed else evidence.rules.too_few([estimate])
        )
        for measure in measures:
            found = better_by(evidence.study, run, other, measure)
            if len(found):
                differences.setdefault((measure, other == CHANCE), {})[question] = found
            else:
                estimate = replace(estimate, value=np.nan, video_variance=np.inf)
                reasons[question] = UNTESTED
        estimates[question] = estimate
    for alike in differences.values():
        estimates |= of_folds(
            {question: (alike[question], estimates[question]) for question in alike}
        )
    decided = [estimates[question] for question, reason in reasons.items() if not reason]
    levels = holm(decided)
    rows = []
    for question, (run, other, *measures) in questions.items():
        estimate, reason = estimates[question], reasons[question]
        confidence = CONFIDENCE if reason else levels.pop(0)
        answer, note = (
            (CANNOT, reason) if reason else answered(estimate, confidence, evidence.rules)
        )
        low, high = estimate.interval(confidence)
        known = np.isfinite(estimate.error)
        rows.append(
            {
                "question": question,
                "run": run,
                "baseline": other,
                "measure": measures[0] if measures else ACCURACY,
                "protocol": evidence.protocol,
                "trajectories": estimate.trajectories,
                "difference": estimate.value,
                "difference_low": low if known else np.nan,
                "difference_high": high if known else np.nan,
                "confidence": confidence,
                "corrected_for": 0 if reason else len(decided),
                "resolvable": largest_resolvable([estimate]),
                "answer": answer,
                "reason": note,
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS))


def of_folds(questions: Mapping[str, tuple[np.ndarray, Estimate]]) -> dict[str, Estimate]:
    """Return the mean difference of each of several questions that are asked by the same measure.

    Args:
        questions: of each, the differences of the folds, float64 (F,), whose spread is all that is
            known of its error, and an estimate from the same test videos. The variance over folds
            is pooled, as that of recalls is.
    """
    differences = [found for found, _ in questions.values()]
    freedom = sum(len(found) - 1 for found in differences)
    squares = sum(float(np.square(found - found.mean()).sum()) for found in differences)
    variance = squares / freedom if freedom else np.inf
    return {
        question: replace(
            estimate, value=float(found.mean()), video_variance=0.0,
            training_variance=variance / len(found), freedom=max(freedom, 1),
        )
        for question, (found, estimate) in questions.items()
    }  # fmt: skip


def holm(estimates: Sequence[Estimate]) -> list[float]:
    """Return the confidence of the interval that decides about each of several differences.

    Holm's step-down method: of m differences, the surest has to be told from 0 with an error of
    5 % / m, the next with 5 % / (m - 1), and so on. After the first that is not, none is; the
    interval of each of those holds 0.
    """
    errors = [_error_rate(estimate) for estimate in estimates]
    found = [0.0] * len(estimates)
    level = None
    for place, number in enumerate(np.argsort(errors, kind="stable")):
        allowed = (1 - CONFIDENCE) / (len(estimates) - place)
        if level is None and errors[number] > allowed:
            level = allowed
        found[number] = 1 - (allowed if level is None else level)
    return found


def _error_rate(estimate: Estimate) -> float:
    """Share of repetitions in which a true difference of 0 is found to be as large as this."""
    if not 0 < estimate.error < np.inf:
        return float(estimate.value == 0 or estimate.error > 0)
    return float(2 * stdtr(min(estimate.freedom, 1e9), -abs(estimate.value) / estimate.error))


def answered(estimate: Estimate, confidence: float, rules: Rules) -> tuple[str, str]:
    """Answer one question by the interval of its difference.

    Returns:
        ``YES`` where the interval is above 0; ``NO`` where it is below 0 or within the margin;
        else ``CANNOT``; and the reason.
    """
    low, high = estimate.interval(confidence)
    if low > 0:
        return YES, "better"
    if high < 0:
        return NO, "worse"
    if -rules.margin <= low and high <= rules.margin:
        return NO, f"within {rules.margin:g} of each other"
    return CANNOT, UNDECIDED


def findings_markdown(table: pd.DataFrame, evidence: Evidence) -> str:
    """The findings for people: question, answer, difference, interval."""
    study = evidence.study
    marks = {run: "" if evidence.accuracy_of(run)["learned"] else f" {NOT_LEARNED}"
             for run in {*table["run"], *table["baseline"]} - {CHANCE}}  # fmt: skip
    by_folds = (table["measure"] != ACCURACY).any()
    shown = pd.DataFrame(
        {
            "Question": table["question"],
            "Answer": [
                answer if reason == UNDECIDED else f"{answer}: {reason}"
                for answer, reason in zip(table["answer"], table["reason"], strict=True)
            ],
            "Run": [f"{run}{marks[run]}" for run in table["run"]],
            "Compared with": [f"{run}{marks.get(run, '')}" for run in table["baseline"]],
            **({"Measure": table["measure"]} if by_folds else {}),
            "Difference": table["difference"].map(signed),
            "Interval": ranges(table["difference_low"], table["difference_high"], "+.4f"),
            "Confidence": (100 * table["confidence"]).map("{:.2f} %".format),
            "Resolvable": table["resolvable"].map(_or_dash),
        }
    )
    tested = (table["corrected_for"] > 0).sum()
    notes = [
        f"On {study.dataset} under {study.protocol}: difference of the balanced accuracy of two "
        "runs on the trajectories that both test, and its interval, which counts test videos and "
        "trainings. Yes: the interval is above 0. No: it is below 0, or within "
        f"{study.margin:g}. Cannot tell: it holds 0. Resolvable: the smallest true difference that "
        "one question alone would find in 80 % of repetitions.",
        f"Questions whose intervals are corrected together (Holm): {tested}. "
        "Where no run is better than another, one study in twenty finds one that is.",
    ]
    if by_folds:
        notes.append(
            "Measures other than the balanced accuracy (tables/calibration): the mean of the "
            "paired differences of folds, whose variance is pooled over the questions by one "
            "measure. It is above 0 where the run is better: its calibration error is lower, or "
            "its uncertainty tells more of these segments from those of classes that were learned. "
            "Chance is an area of 0.5 under the ROC curve."
        )
    judged = evidence.accuracy.loc[list(marks)]
    notes += notes_of_marks(judged)[:1] if not judged["learned"].all() else []
    return render(f"Findings: {study.question}", shown, notes)


def _or_dash(value: float) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.4f}"
