import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import spearmanr

from bptubeformer.data.segments import Segments
from bptubeformer.evaluation.movement import (
    ALL_PARTS,
    BETWEEN_PARTS,
    BODY_PART,
    TUBELETS,
    movement_markdown,
    movement_table,
)
from bptubeformer.evaluation.relation import (
    part_attention,
    part_speeds,
    rank_correlation,
    relate,
)
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.skeleton import PARTS

WRISTS = list(PARTS).index("wrists")


def still(frames=8):
    return torch.full((1, frames, 34), 50.0)


def test_a_part_that_moves_has_its_speed_and_no_other():
    segment = still()
    segment[0, :, 2 * 9] += 3 * torch.arange(8.0)  # the left wrist, 3 pixels a frame
    speed, by_tubelet = part_speeds(segment, 2, 2)
    assert speed[0].tolist() == [0, 0, 1.5, 0, 0]  # the mean over both wrists
    assert by_tubelet.shape == (1, 5, 4)
    assert by_tubelet[0, WRISTS].tolist() == [1.5] * 4


def test_a_step_counts_for_the_frames_on_both_sides():
    segment = still()
    segment[0, 4:, [18, 20]] += 8  # both wrists, between frames 4 and 5
    _, by_tubelet = part_speeds(segment, 2, 2)
    assert by_tubelet[0, WRISTS].tolist() == [0, 2, 2, 0]


def test_missing_joints_do_not_move():
    segment = still()
    segment[0, 3, 18:20] = 0  # the left wrist is lost for a frame
    speed, _ = part_speeds(segment, 2, 2)
    assert speed[0].tolist() == [0] * 5
    segment[0, :, 18:22] = 0  # both wrists are never seen
    speed, by_tubelet = part_speeds(segment, 2, 2)
    assert speed[0, WRISTS].isnan()
    assert by_tubelet[0, WRISTS].isnan().all()


def test_attention_to_parts_and_times_adds_up():
    model = BPTubeFormer(classes=3, kernel=(2, 2, 2), stride=(2, 1, 1), token_width=8, depth=1)
    attention = {}
    model.eval().embed(torch.rand(4, 24, 34), attention)
    to_parts, to_times = part_attention(attention, 12)
    assert to_parts.shape == (4, 5)
    assert (to_parts.sum(1) < 1).all()  # the rest goes to the class token itself
    assert to_times.shape == (4, 5, 12)
    torch.testing.assert_close(to_times.sum(-1), torch.ones(4, 5))


def test_rank_correlation_is_spearmans():
    generator = np.random.default_rng(0)
    first, second = generator.integers(0, 5, (2, 6, 9)).astype(float)
    found = rank_correlation(torch.tensor(first), torch.tensor(second))
    expected = [spearmanr(a, b).statistic for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(found, expected)
    missing = torch.tensor([[1.0, torch.nan, 2.0], [1.0, 1.0, 1.0]])
    assert np.isnan(rank_correlation(missing, torch.rand(2, 3))).all()


def test_every_segment_is_related(store):
    starts, trajectory = np.arange(0, 40, 4), np.zeros(10, dtype=int)
    segments = Segments.of(store, starts, trajectory, 24, torch.device("cpu"))
    torch.manual_seed(0)
    model = BPTubeFormer(classes=3, token_width=8, depth=1)
    table = relate(model, segments, 3, seed=0)
    assert len(table) == 10
    pd.testing.assert_frame_equal(table, relate(model, segments, 3, seed=0))
    assert not table["attention torso true"].equals(table["attention torso shuffled"])
    batch, _ = segments[slice(None)]
    speed, _ = part_speeds(batch, 2, 2)
    np.testing.assert_allclose(table["speed wrists"], speed[:, WRISTS])


@pytest.fixture
def store_file(store, tmp_path):
    store.save(tmp_path / "frames.safetensors")
    return tmp_path / "frames.safetensors"


def made_up(trajectories, follows, generator):
    """What ``relate`` would return of a model whose attention follows movement, or does not."""
    rows = np.repeat(trajectories, 5)
    speed = generator.random((len(rows), 5))
    columns = {"trajectory": rows}
    for i, part in enumerate(PARTS):
        columns[f"speed {part}"] = speed[:, i]
        for order in ("true", "shuffled"):
            noise = generator.random(len(rows))
            same = follows and order == "true"
            columns[f"attention {part} {order}"] = speed[:, i] + 0.1 * noise if same else noise
            columns[f"{TUBELETS} {part} {order}"] = 0.5 if same else noise - 0.5
    for order in ("true", "shuffled"):
        columns[f"{BETWEEN_PARTS} {order}"] = 0.7 if follows and order == "true" else 0.0
    return pd.DataFrame(columns)


@pytest.mark.parametrize("follows", [True, False])
def test_the_table_tells_attention_that_follows_from_attention_that_does_not(
    store, store_file, follows
):
    generator = np.random.default_rng(0)
    trajectories = np.arange(len(store.rows))
    folds = [made_up(trajectories, follows, generator) for _ in range(2)]
    folds[0].loc[3, "speed torso"] = np.nan
    table = movement_table(folds, store_file, 200, 0)
    rows = table.set_index(["level", "part", "order"])
    assert len(table) == 2 * (1 + 5 + 5)
    for level, part in ((BODY_PART, "torso"), (TUBELETS, "wrists"), (BETWEEN_PARTS, ALL_PARTS)):
        true, control = (rows.loc[(level, part, order)] for order in ("true", "shuffled"))
        assert (true["interval_low"] > 0.4) == follows, level
        assert control["interval_low"] <= 0 <= control["interval_high"], level
        assert true["interval_low"] <= true["rank_correlation"] <= true["interval_high"]
    plain = np.mean([
        spearmanr(f["attention wrists true"], f["speed wrists"]).statistic for f in folds
    ])  # fmt: skip
    assert rows.loc[(BODY_PART, "wrists", "true"), "rank_correlation"] == pytest.approx(plain)
    text = movement_markdown(table)
    assert "| tubelets      | wrists |" in text
    assert f"over {sum(map(len, folds))} test segments" in text
