import pandas as pd

from bptubeformer.verdict.summary import results_summary
from checkout import base_config
from verdict.conftest import again

BASE = base_config()


def test_runs_that_have_not_learned_are_named_before_everything_else(evidence):
    assert "have not learned" not in results_summary(evidence, BASE)
    path = evidence.study.folder / "tables" / "accuracy.csv"
    table = pd.read_csv(path)
    table.assign(learned=table["run"] != "BPT-V1").to_csv(path, index=False)
    page = results_summary(again(evidence), BASE)
    warning = page.index(" runs have not learned (")
    assert warning < page.index("\n## ")
    assert "): BPT-V1.** Their numbers say nothing" in page
    path.unlink()
    assert "have not learned" not in results_summary(again(evidence), BASE)


def test_changes_of_runs_that_are_in_other_studies_are_not_listed(evidence):
    for run in ("BPT-V2", "ST-GCN"):
        evidence.config["runs"][run]["training"] = {"batch_size": 5}
    page = results_summary(again(evidence), BASE)
    listed = page[page.index("```yaml") : page.index("```", page.index("```yaml") + 7)]
    assert "BPT-V2:" in listed
    assert "ST-GCN" not in listed
