"""Table 2, by thop, from the models that are trained."""

import pytest
import yaml

from bptubeformer.config import model_of
from bptubeformer.evaluation.complexity import (
    complexity,
    complexity_markdown,
    complexity_table,
)
from bptubeformer.models import build_model
from conftest import REPOSITORY

CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
RUNS = {name: {"experiment": "x", **model_of(CONFIG, name)} for name in CONFIG["runs"]}


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


@pytest.mark.parametrize("name", RUNS)
def test_thop_counts_what_the_closed_form_says(name):
    run = {key: value for key, value in RUNS[name].items() if key != "experiment"}
    counted = complexity(run, 13, 1)
    assert (counted.macs_thop, counted.params_thop) == closed_form(run)


def test_table_2_to_the_last_digit():
    tran = complexity(model_of(CONFIG, "ST-Tran"), 13, 1000)
    tube = complexity(model_of(CONFIG, "BPT-V2"), 13, 1000)
    assert (tran.macs_thop, tran.params_thop) == (613_532_448_000, 9_536_397)
    assert (tube.macs_thop, tube.params_thop) == (30_503_808_000, 4_918_125)


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


def test_all_parameters_are_those_of_the_model():
    run = model_of(CONFIG, "BPT-V2")
    model = build_model(run, 13)
    assert complexity(run, 13, 1).params_trainable == sum(p.numel() for p in model.parameters())


def test_the_table_has_its_columns_and_prints_the_papers_digits():
    table = complexity_table(RUNS, 13, 1000)
    assert list(table.columns)[:8] == [
        "run", "segment_length", "batch_size", "macs_thop", "macs_with_attention", "params",
        "params_trainable", "paper_macs",
    ]  # fmt: skip
    assert list(table["run"]) == list(CONFIG["runs"])
    rows = table.set_index("run").loc[["ST-Tran", "BPT-V2"]]
    assert rows["macs_thop"].round(1).tolist() == rows["paper_macs"].tolist() == [613.5, 30.5]
    assert rows["params"].round(1).tolist() == rows["paper_params"].tolist() == [9.5, 4.9]
    lines = complexity_markdown(table).splitlines()
    (line,) = [line for line in lines if line.startswith("| BPT-V2 ")]
    assert [cell.strip() for cell in line.split("|")[1:-1]] == [
        "BPT-V2", "24", "30.5", "30.5", "30.8", "4.9", "4.9", "4.92",
    ]  # fmt: skip
