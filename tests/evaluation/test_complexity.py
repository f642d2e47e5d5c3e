"""Table 2, by thop, from the models that are trained."""

import pytest

from bptubeformer.claims import printed_table
from bptubeformer.config import model_of, studies_of, written_out
from bptubeformer.evaluation.complexity import (
    complexity,
    complexity_markdown,
    complexity_tables,
    ratios_table,
)
from bptubeformer.models import build_model
from checkout import base_config

CONFIG = written_out(base_config())
RUNS = studies_of(CONFIG)["controls"].runs


def closed_form(run):
    """MACs a segment and parameters as thop counts them, derived by hand; depth 4, MLP ratio 2."""

    def encoder(width):
        return 4 * 8 * width**2, 4 * (7 * width + 4 * width)

    e, length, classes = run["token_width"], run["segment_length"], 13
    if run["model"] == "sttran":
        width, outer = 17 * e, length + 1
        inner_tokens, copies, tokeniser = 17 * length, 1, (2 * e, 3 * e)
    else:
        tokens = 1
        for size, k, s in zip((length, 3, 3), run["kernel"], run["stride"], strict=True):
            tokens *= (size - k) // s + 1
        width, outer = tokens * e, 6
        volume = 2 * run["kernel"][0] * run["kernel"][1] * run["kernel"][2]
        inner_tokens, copies, tokeniser = 5 * tokens, 5, (volume * e, (volume + 1) * e)
    inner_weights, inner_rest = encoder(e)
    outer_weights, outer_rest = encoder(width)
    norms = 4 * 9 * (inner_tokens * e + outer * width)
    macs = inner_tokens * (tokeniser[0] + inner_weights) + outer * outer_weights
    macs += width * classes + norms
    params = copies * (tokeniser[1] + inner_weights + inner_rest) + 2 * e
    params += outer_weights + outer_rest + 2 * width + (width + 1) * classes
    return macs, params


OF_THE_FORM = [
    name for name, run in RUNS.items()
    if run["model"] in ("sttran", "bptubeformer") and not run.get("body_part_width")
]  # fmt: skip


@pytest.mark.parametrize("name", OF_THE_FORM)
def test_thop_counts_what_the_closed_form_says(name):
    run = {key: value for key, value in RUNS[name].items() if key != "experiment"}
    counted = complexity(run, 13, 1)
    assert (counted.macs_thop, counted.params_thop) == closed_form(run)


def test_table_2_to_the_last_digit():
    tran = complexity(model_of(CONFIG, "ST-Tran"), 13, 1000)
    tube = complexity(model_of(CONFIG, "BPT-V2"), 13, 1000)
    assert (tran.macs_thop, tran.params_thop) == (613_532_448_000, 9_536_397)
    assert (tube.macs_thop, tube.params_thop) == (30_503_808_000, 4_918_125)


@pytest.mark.slow
def test_energy_is_that_of_one_segment(tables):
    """30.5 million MACs and the products of attention, at 4.6 pJ: 0.14 mJ."""
    row = tables.runs.set_index("run").loc["BPT-V2"]
    assert round(row["energy_mj"], 2) == 0.14


def test_the_batch_counts_once_a_segment():
    run = model_of(CONFIG, "BPT-V2")
    assert complexity(run, 13, 1000).macs_thop == 1000 * complexity(run, 13, 1).macs_thop


@pytest.mark.parametrize("name", ["ST-Tran", "BPT-V2", "BPT-8-V2"])
def test_attention_is_two_matrix_products_a_layer(name):
    run = model_of(CONFIG, name)
    counted = complexity(run, 13, 1)
    e, length = run["token_width"], run["segment_length"]
    if run["model"] == "sttran":
        products = length * 17**2 * e + (length + 1) ** 2 * 17 * e
    else:
        tokens = {"BPT-V2": 12, "BPT-8-V2": 92}[name]
        products = 5 * tokens**2 * e + 6**2 * tokens * e
    assert counted.macs_with_attention - counted.macs_thop == 4 * 2 * products


def test_graph_products_are_counted_beside_attention():
    """ST-GCN by hand: three subsets of 17 x 17 neighbours, each for all channels and frames."""
    counted = complexity({"model": "stgcn", "segment_length": 24}, 13, 1)
    channels_and_frames = 4 * 64 * 24 + 128 * 24 + 2 * 128 * 12 + 256 * 12 + 2 * 256 * 6
    products = counted.macs_with_attention - counted.macs_thop
    assert products == 3 * 17 * 17 * channels_and_frames


def test_all_parameters_are_those_of_the_model():
    run = model_of(CONFIG, "BPT-V2")
    model = build_model(run, 13)
    assert complexity(run, 13, 1).params_trainable == sum(p.numel() for p in model.parameters())


@pytest.fixture(scope="module")
def tables():
    return complexity_tables(RUNS, 13, 1000, printed_table(2))


def test_the_table_has_its_columns_and_prints_the_papers_digits(tables):
    table = tables.runs
    assert list(table.columns)[:8] == [
        "run", "segment_length", "batch_size", "macs_thop", "macs_with_attention", "params",
        "params_trainable", "paper_macs",
    ]  # fmt: skip
    assert list(table["run"]) == list(RUNS)
    rows = table.set_index("run").loc[["ST-Tran", "BPT-V2"]]
    assert rows["macs_thop"].round(1).tolist() == rows["paper_macs"].tolist() == [613.5, 30.5]
    assert rows["params"].round(1).tolist() == rows["paper_params"].tolist() == [9.5, 4.9]
    lines = complexity_markdown(tables, ratios_table(table)).splitlines()
    line = next(line for line in lines if line.startswith("| BPT-V2 "))
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        "BPT-V2", "24", "30.5", "30.5", "30.8", "4.9", "4.9", "4.92", "0.142",
    ]  # fmt: skip


def test_at_equal_length_the_ratio_is_another(tables):
    ratios = ratios_table(tables.runs).set_index("comparison")["ratio_thop"].round(1)
    assert ratios.to_dict() == {"as in Table 2": 20.1, "at 24 frames": 8.2, "at 60 frames": 3.4}


def test_ratios_of_runs_that_are_left_out_are_left_out(tables):
    runs = tables.runs[tables.runs["run"] != "ST-Tran-T24"]
    assert list(ratios_table(runs)["comparison"]) == ["as in Table 2", "at 60 frames"]
    assert ratios_table(runs[runs["run"] == "BPT-V1"]).empty


def test_stages_add_up_and_most_is_saved_in_the_second_transformer(tables):
    by_stage = tables.stages.pivot(index="run", columns="stage", values="macs_thop")
    totals = tables.runs.set_index("run")["macs_thop"]
    assert (by_stage.sum(axis=1) - totals).abs().max() < 1e-9
    attention = tables.stages.groupby("run")["macs_with_attention"].sum()
    assert (attention - tables.runs.set_index("run")["macs_with_attention"]).abs().max() < 1e-9
    saved = by_stage.loc["ST-Tran"] - by_stage.loc["BPT-V2"]
    share = (saved / saved.sum()).round(2)
    assert share["second transformer"] == 0.94
    assert share["first transformer"] == 0.06  # with its norms
    assert abs(share["tokeniser"]) < 0.01


def test_transformers_are_those_of_the_paper(tables):
    rows = tables.transformers.set_index(["run", "transformer"])
    tran, tube = ("ST-Tran", "temporal_transformer"), ("BPT-V2", "body_part_transformer")
    assert rows.loc[tran, ["tokens", "class_token", "width"]].tolist() == [61, True, 544]
    assert rows.loc[tube, ["tokens", "class_token", "width"]].tolist() == [6, True, 384]
    elbows = rows.loc[("BPT-V2", "tubelet_transformers.elbows")]
    assert elbows[["tokens", "class_token", "width", "heads", "depth"]].tolist() == [
        12, False, 32, 8, 4,
    ]  # fmt: skip
    assert "M1.2" not in rows.index.get_level_values("run")


def test_width_matched_controls_differ_in_their_tokeniser_alone(tables):
    names = [name for name in RUNS if name.endswith("-w384")]
    second = tables.stages[tables.stages["stage"] == "second transformer"].set_index("run")
    assert second.loc[[*names, "BPT-V2"], "macs_thop"].nunique() == 1
