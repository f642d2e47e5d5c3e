"""Does attention follow movement? Over all test segments, with intervals; not in the paper.

The paper shows one segment (Fig. 4) and concludes that tubelets detect the movement of body parts.
Here, for every test segment, the attention of the last layer is compared with the speed of the
joints, by rank correlation, at three levels:

``between parts``
    Within a segment, over the five parts: does the class token attend to the part that moves most?
``body part``
    Over segments, part by part: does it attend more to a part where that part moves faster?
``tubelets``
    Within a segment, over time, part by part: do a part's tubelets attend to those of its fastest
    frames?

The control shows the model the same frames in shuffled order, and compares its attention with the
movement in true order: what correlates there, too, is not movement.

``relation`` computes it segment by segment; here it is put together, without torch.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from bptubeformer.data.trajectories import videos_of
from bptubeformer.evaluation.bootstrap import draw_weights, interval
from bptubeformer.evaluation.tables import ranges, render
from bptubeformer.skeleton import PARTS

BETWEEN_PARTS, BODY_PART, TUBELETS = "between parts", "body part", "tubelets"
ORDERS = ("true", "shuffled")
ALL_PARTS = "all"


def movement_table(
    folds: Sequence[pd.DataFrame],
    store: Path,
    samples: int,
    seed: int,
) -> pd.DataFrame:
    """Rank correlations of attention and movement, mean over folds, with intervals over videos.

    Args:
        folds: what ``relation.relate`` returns, of each fold and seed.
        store: the frame store, whose videos the trajectories belong to.
        samples: resamples of the bootstrap.
        seed: of the bootstrap.

    Returns:
        columns level, part, order, rank_correlation, interval_low, interval_high, segments.
    """
    video_of_trajectory, labels = videos_of(store)
    videos = [video_of_trajectory[fold["trajectory"]] for fold in folds]
    tested = np.zeros(len(labels), dtype=bool)
    tested[np.concatenate(videos)] = True
    once = np.ones((1, len(labels)), dtype=np.int64)
    weights = np.concatenate([once, draw_weights(labels, tested, samples, seed)])
    rows = []
    for level, part in [
        (BETWEEN_PARTS, ALL_PARTS),
        *((BODY_PART, part) for part in PARTS),
        *((TUBELETS, part) for part in PARTS),
    ]:
        for order in ORDERS:
            values = np.mean(
                [
                    _weighted(fold, video, level, part, order, weights)
                    for fold, video in zip(folds, videos, strict=True)
                ],
                axis=0,
            )
            low, high = interval(values[1:])
            rows.append(
                {
                    "level": level,
                    "part": part,
                    "order": order,
                    "rank_correlation": values[0],
                    "interval_low": low,
                    "interval_high": high,
                    "segments": sum(map(len, folds)),
                }
            )
    return pd.DataFrame(rows)


def movement_markdown(table: pd.DataFrame) -> str:
    """The movement table for people: true and shuffled time side by side."""
    columns = {"Level": [], "Part": [], "Rank correlation": [], "95 % interval": []}
    columns |= {"With shuffled time": [], "95 % interval of it": []}
    for (level, part), pair in table.groupby(["level", "part"], sort=False):
        true, shuffled = (pair[pair["order"] == order].iloc[0] for order in ORDERS)
        row = [level, part]
        for one in (true, shuffled):
            row.append(f"{one['rank_correlation']:+.3f}")
            row += ranges([one["interval_low"]], [one["interval_high"]], "+.3f")
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    notes = [
        "Attention of the last layer against the speed of joints, over "
        f"{table['segments'].max()} test segments (all folds). Between parts: within a segment, "
        "the class token's attention to the five parts. Body part: over segments, its attention to "
        "the part. Tubelets: within a segment, over time. Shuffled time: the model sees the frames "
        "in random order, its attention is compared with the true movement. Intervals: bootstrap "
        "over videos."
    ]
    return render("Does attention follow movement?", pd.DataFrame(columns), notes)


def _weighted(
    fold: pd.DataFrame, video: np.ndarray, level: str, part: str, order: str, weights: np.ndarray
) -> np.ndarray:
    """The correlation under each row of weights (S, V) of the videos, float64 (S,)."""

    def total(values: np.ndarray) -> np.ndarray:
        return weights @ np.bincount(video[sound], values, minlength=weights.shape[1])

    if level == BODY_PART:
        pair = fold[[f"attention {part} {order}", f"speed {part}"]].to_numpy(np.float64)
        sound = np.isfinite(pair).all(axis=1)
        # Ranked once: a resample weighs the ranks of all segments instead of ranking anew.
        x, y = rankdata(pair[sound], axis=0).T / max(sound.sum(), 1)
        n = total(np.ones(len(x)))
        mean_x, mean_y = total(x) / n, total(y) / n
        covariance = total(x * y) / n - mean_x * mean_y
        deviation = np.sqrt(
            (total(x * x) / n - mean_x**2).clip(0) * (total(y * y) / n - mean_y**2).clip(0)
        )
        return np.divide(
            covariance, deviation, out=np.full(len(weights), np.nan), where=deviation > 0
        )
    name = f"{level} {order}" if level == BETWEEN_PARTS else f"{level} {part} {order}"
    rho = fold[name].to_numpy(np.float64)
    sound = np.isfinite(rho)
    count = total(np.ones(int(sound.sum())))
    return np.divide(total(rho[sound]), count, out=np.full(len(weights), np.nan), where=count > 0)
