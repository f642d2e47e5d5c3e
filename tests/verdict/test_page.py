import re

import pytest

from bptubeformer.verdict import gate
from bptubeformer.verdict.judge import VERDICTS, verdict_table
from bptubeformer.verdict.page import (
    about,
    count_verdicts,
    paper_differences,
    resolution,
    verdict_markdown,
    verdict_page,
)
from bptubeformer.verdict.summary import changed, results_summary
from verdict.conftest import again, evidence_of


def test_the_page_has_every_claim_and_needs_no_network(evidence):
    found = verdict_table(evidence)
    page = verdict_page(found, evidence)
    rows = re.findall(r'<tr data-verdict="([^"]+)">\s*<td>(\w\d\d\w?)</td>', page)
    # The claims that carry the paper come first.
    found = found.sort_values("leading", ascending=False, kind="stable")
    assert [name for _, name in rows] == (found["id"] + found["part"]).tolist()
    assert [kind for kind, _ in rows] == found["verdict"].tolist()
    assert "http" not in page.replace("http-equiv", "")
    for verdict, count in count_verdicts(found).items():
        assert f">{verdict} {count}</button>" in page
    assert '<a href="accuracy.csv">' in page


def test_what_comes_from_outside_is_escaped(evidence, tmp_path):
    evidence = evidence_of(evidence.study.results.rename(tmp_path / "<script>alert(1)<"),
                           evidence.config)  # fmt: skip
    page = verdict_page(verdict_table(evidence), evidence)
    assert "<script>alert" not in page


def test_markdown_counts_and_lists(evidence):
    found = verdict_table(evidence)
    text = verdict_markdown(found, evidence)
    assert list(count_verdicts(found).index) == list(VERDICTS)
    assert count_verdicts(found).sum() == len(found)
    assert found["id"].nunique() == 164
    for name in found["id"] + found["part"]:
        assert f"\n| {name} " in text
    columns = {
        line.count("|") - line.count("\\|") for line in text.splitlines() if line[:3] == "| K"
    }
    assert columns == {9}


def test_the_page_says_how_many_trainings_reached_their_last_epoch(evidence):
    assert "0 of 48 trainings reached max_epochs" in about(evidence)
    for folder in evidence.folds_of("BPT-V2"):
        path = folder / "run.json"
        path.write_text(path.read_text().replace('"epochs": 10', '"epochs": 100'))
    fresh = again(evidence)
    assert "3 of 48 trainings reached max_epochs" in about(fresh)
    nothing = evidence_of(evidence.study.results / "none", evidence.config)
    assert "reached max_epochs" not in about(nothing)


def test_another_dataset_is_named_at_the_top(evidence, monkeypatch, tmp_path):
    evidence = evidence_of(evidence.study.results.rename(tmp_path / "walkers"), evidence.config)
    monkeypatch.setattr(gate, "content", lambda trajectories: ["3 videos, HR-Crime has 789"])
    assert "Computed on walkers" in verdict_markdown(verdict_table(evidence), evidence)
    page = verdict_page(verdict_table(evidence), evidence)
    assert "Claims about results are not testable here" in page
    assert "3 videos, HR-Crime has 789" in page


def test_the_summary_says_on_which_data_and_machine(evidence):
    evidence.study.table("accuracy.md").write_text("# Table 1: balanced accuracy\n\nx\n")
    base = {**evidence.config, "seeds": [0, 1]}
    text = results_summary(evidence, base)
    assert text.startswith("# Results on hr-crime\n")
    assert "13 classes, 789 videos, 789 trajectories, 789 frames" in text
    assert "48 trainings under as-published on cpu (x) with torch 2 and Python 3" in text
    assert "24.0 hours" in text  # 16 runs of 3 folds, half an hour each
    assert "seeds: [0]" in text
    assert "\n## Table 1: balanced accuracy\n" in text
    assert "\n## Claim by claim\n" in text
    assert "| T04 " in text
    assert "| K01 " not in text


def test_only_what_a_run_changes_is_shown():
    base = {"a": 1, "b": {"c": 2, "d": 3}, "e": {"f": 1}}
    assert changed(base, base) == {}
    assert changed({"a": 1, "b": {"c": 5, "d": 3}, "g": 7}, base) == {
        "b": {"c": 5}, "e": None, "g": 7,
    }  # fmt: skip


def test_the_page_opens_with_what_this_run_can_resolve(evidence):
    found = verdict_table(evidence)
    shown = paper_differences(found).set_index("id")["printed"]
    assert shown["Q04"] == pytest.approx(0.0185)
    assert shown["Q09"] == 0.02  # in words only
    assert shown["M05"] == pytest.approx(0.0056)
    assert "Of 7 differences between runs that the paper interprets, 0 are smaller" in resolution(
        found
    )
    found["resolvable"] = found["resolvable"].where(found["resolvable"].isna(), 0.01)
    text = verdict_markdown(found, evidence)
    assert "interprets, 4 are smaller than what this run can resolve (at best 0.0100)" in text
    found["resolvable"] = None
    assert resolution(found).startswith("No difference of the paper could be compared")
