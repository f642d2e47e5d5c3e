import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import verdicts
from bptubeformer.evaluation.uncertainty import Estimate
from bptubeformer.study import Study
from bptubeformer.verdict import findings
from bptubeformer.verdict.findings import (
    CANNOT,
    NO,
    YES,
    answered,
    findings_markdown,
    findings_table,
    holm,
)
from bptubeformer.verdict.rules import Rules

RULES = Rules(margin=0.01, minimum_videos=2)
DEMONSTRATION = next(size for size in verdicts.SIZES if size.name == "demonstration")


class Results:
    """A substitute for the evidence, made of counts with known truth."""

    def __init__(self, counts, questions, learned=lambda run: True):
        self.counts = counts
        self.rules = RULES
        self.protocol = "video"
        self.study = Study.read({
            "name": "comparators", "results": "results/made-up", "question": "Who is better?",
            "findings": questions, "protocols": ["video"], "margin": 0.01, "minimum_videos": 2,
        })  # fmt: skip
        rows = [(run, learned(run), False) for run in counts.tested]
        self.accuracy = pd.DataFrame(rows, columns=["run", "learned", "folds_differ"])
        self.accuracy = self.accuracy.set_index("run")

    def check_trained(self, *runs):
        assert set(runs) <= set(self.counts.tested)

    def accuracy_of(self, run):
        return self.accuracy.loc[run]


def counts_of(seed, size=DEMONSTRATION, **recalls):
    """Counts with the recalls of some runs, and of all others 0.49."""
    truth = verdicts.equal_truth(size)
    truth |= {run.replace("_", "-"): np.full(len(size.videos), r) for run, r in recalls.items()}
    return verdicts.simulate(size, truth, np.random.default_rng(seed))


def estimate(value, error, freedom=np.inf):
    return Estimate(value, error**2, 0.0, freedom, 10, 5)


def test_levels_are_those_of_holms_method():
    """Differences of 4, 2.3 and 1 standard errors: told from 0 at 5 % / 3, at 5 % / 2, and not."""
    levels = holm([estimate(1.0, 1), estimate(4.0, 1), estimate(-2.3, 1)])
    assert levels == pytest.approx([1 - 0.05, 1 - 0.05 / 3, 1 - 0.05 / 2])


def test_after_the_first_that_is_not_told_from_0_none_is():
    """The second would be at 5 % / 1, but the first is not at 5 % / 2."""
    levels = holm([estimate(2.1, 1), estimate(2.0, 1)])
    assert levels == pytest.approx([1 - 0.05 / 2] * 2)
    assert [answered(estimate(value, 1), levels[0], RULES)[0] for value in (2.1, 2.0)] == [
        CANNOT, CANNOT,
    ]  # fmt: skip


@given(st.lists(st.tuples(st.floats(-5, 5), st.floats(0.1, 3), st.floats(1, 40)), min_size=1))
def test_answers_are_those_of_the_step_down_method(differences):
    """Checked against the method in the words of a textbook: adjusted error rates."""
    estimates = [estimate(*one) for one in differences]
    from scipy.stats import t

    errors = np.array([2 * t.sf(abs(e.value) / e.error, e.freedom) for e in estimates])
    order, adjusted, most = np.argsort(errors, kind="stable"), np.zeros(len(errors)), 0.0
    for place, number in enumerate(order):
        most = max(most, (len(errors) - place) * errors[number])
        adjusted[number] = most
    for one, level, rate in zip(estimates, holm(estimates), adjusted, strict=True):
        if abs(rate - 0.05) > 1e-9:
            low, high = one.interval(level)
            assert (low > 0 or high < 0) == (rate < 0.05)


@pytest.mark.parametrize(
    ("value", "error", "expected"),
    [(0.1, 0.01, (YES, "better")), (-0.1, 0.01, (NO, "worse")),
     (0.001, 0.001, (NO, "within 0.01 of each other")),
     (0.01, 0.02, (CANNOT, "the interval holds 0")),
     (0.0, np.inf, (CANNOT, "the interval holds 0"))],
)  # fmt: skip
def test_an_answer_is_an_interval_in_a_word(value, error, expected):
    assert answered(estimate(value, error), 0.95, RULES) == expected


def test_a_run_that_has_not_learned_answers_nothing():
    """And is not among the questions that the others are corrected for."""
    counts = counts_of(0, BPT_V2=0.95, BPT_V3=0.2)
    asked = {"Is V2 better?": ["BPT-V2", "ST-Tran"], "Is V3?": ["BPT-V3", "ST-Tran"]}
    results = Results(counts, asked, learned=lambda run: run != "BPT-V3")
    table = findings_table(results).set_index("question")
    assert table["answer"].tolist() == [YES, CANNOT]
    assert table.at["Is V3?", "reason"] == "not learned: BPT-V3"
    assert table["corrected_for"].tolist() == [1, 0]
    text = findings_markdown(table.reset_index(), results)
    assert "BPT-V3 †" in text
    assert "corrected together (Holm): 1." in text


def test_a_class_of_one_test_video_answers_nothing():
    size = verdicts.Size("tiny", (1, 5, 5), 1, 5, 0.1, 0.1)
    counts = counts_of(0, size, BPT_V2=0.95)
    table = findings_table(Results(counts, {"Is it?": ["BPT-V2", "ST-Tran"]}))
    assert table["answer"].tolist() == [CANNOT]
    assert "too few test videos" in table["reason"].iloc[0]


@pytest.mark.slow
def test_equal_runs_are_seldom_found_to_differ():
    """One of twelve questions is answered in at most one of twenty studies, but for chance."""
    runs = [run for run in verdicts.RUNS if run not in (*verdicts.LONG, "BPT-V2")]
    questions = {f"Is {run}?": [run, "BPT-V2"] for run in runs[:12]}
    false = 0
    for seed in range(100):
        table = findings_table(Results(counts_of(seed), questions))
        found = (table["difference_low"] > 0) | (table["difference_high"] < 0)
        false += found.any()
    # 5 are expected; 11 or more are so in 1 % of repetitions.
    assert false <= 11


def test_large_differences_are_found():
    table = findings_table(
        Results(counts_of(1, BPT_V2=0.9, BPT_V3=0.15),
                {"Is V2?": ["BPT-V2", "BPT-V1"], "Is V3?": ["BPT-V3", "BPT-V1"]})
    )  # fmt: skip
    assert table["answer"].tolist() == [YES, NO]
    assert (table["difference_low"] < table["difference"]).all()
    assert (table["difference"] < table["difference_high"]).all()


def test_the_page_shows_question_answer_and_interval():
    results = Results(counts_of(1, BPT_V2=0.9), {"Is V2?": ["BPT-V2", "BPT-V1"]})
    text = findings_markdown(findings_table(results), results)
    assert "# Findings: Who is better?" in text
    assert "| Is V2?" in text
    assert "| yes" in text
    assert "On made-up under video" in text


def test_a_question_about_uncertainty_rests_on_its_folds(monkeypatch):
    """Their variance is pooled over the questions by one measure: 4 degrees of freedom here."""
    of_folds = {"BPT-V2": [0.3, 0.4, 0.5], "BPT-V3": [0.0, 0.2, -0.2]}
    monkeypatch.setattr(findings, "better_by", lambda study, run, *_: np.array(of_folds[run]))
    asked = {f"Does {run} know?": [run, "chance", "noise"] for run in of_folds}
    results = Results(counts_of(1, BPT_V2=0.9, BPT_V3=0.9), asked)
    table = findings_table(results)
    assert table["difference"].tolist() == pytest.approx([0.4, 0.0])
    assert table["answer"].tolist() == [YES, CANNOT]
    # Squares of 0.02 and 0.08, and Student's t of 4 degrees at 5 % / 2 and at 5 %.
    error = np.sqrt(0.1 / 4 / 3)
    half = (table["difference_high"] - table["difference_low"]) / 2
    assert half.tolist() == pytest.approx([3.4954 * error, 2.7764 * error], rel=1e-4)
    text = findings_markdown(table, results)
    assert "| Measure" in text
    assert "| noise" in text
    assert "tables/calibration" in text


def test_a_question_that_no_fold_tests_counts_for_no_other(monkeypatch):
    monkeypatch.setattr(findings, "better_by", lambda *_: np.array([]))
    asked = {"Does it know?": ["BPT-V2", "chance", "noise"], "Is V2?": ["BPT-V2", "BPT-V1"]}
    results = Results(counts_of(1, BPT_V2=0.9), asked)
    table = findings_table(results)
    assert table["answer"].tolist() == [CANNOT, YES]
    assert table["reason"].iloc[0] == "no fold tests such segments"
    assert table["corrected_for"].tolist() == [0, 1]
    assert "no fold tests such segments" in findings_markdown(table, results)


def test_a_single_fold_answers_nothing_about_uncertainty(monkeypatch):
    monkeypatch.setattr(findings, "better_by", lambda *_: np.array([0.4]))
    asked = {"Does it know?": ["BPT-V2", "BPT-V1", "noise"]}
    table = findings_table(Results(counts_of(1, BPT_V2=0.9, BPT_V1=0.9), asked))
    assert table["answer"].tolist() == [CANNOT]


def test_a_study_without_questions_has_an_empty_table():
    results = Results(counts_of(1), {})
    table = findings_table(results)
    assert table.empty
    assert "(Holm): 0." in findings_markdown(table, results)
