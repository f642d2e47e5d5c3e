"""Does attention follow movement? Over all test segments, with intervals; not in the paper.

The paper shows one segment (Fig. 4) and concludes that tubelets detect the movement of body parts.
Here, for every test segment, the attention of the last layer is compared with the speed of the
joints, by rank correlation, at three levels:

``between parts``
    Within a segment, over the parts: does the class token attend to the part that moves most?
``body part``
    Over segments, part by part: does it attend more to a part where that part moves faster?
``tubelets``
    Within a segment, over time, part by part: do a part's tubelets attend to those of its fastest
    frames?

The control shows the model the same frames in shuffled order; each frame keeps the speed that it
has in true order. How and where the body stands can still be seen there, but no movement:
attention that correlates as much in the control does not follow movement.

``attention_movement`` computes it segment by segment; here it is put together, without torch.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from bptubeformer.data.store import read_skeleton_of, videos_of
from bptubeformer.evaluation.bootstrap import draw_weights
from bptubeformer.evaluation.tables import ranges, render, write_table
from bptubeformer.evaluation.uncertainty import Estimate, satterthwaite
from bptubeformer.kinds import Digest
from bptubeformer.reading import read_parquet, reading
from bptubeformer.sections import Record
from bptubeformer.skeleton import Skeleton
from bptubeformer.study import MOVEMENT, Study

BETWEEN_PARTS, BODY_PART, TUBELETS = "between parts", "body part", "tubelets"
ORDERS = ("true", "shuffled")
ALL_PARTS = "all"


def levels_of(skeleton: Skeleton) -> list[tuple[str, str]]:
    """Return what is correlated, and of which part."""
    levels = (BODY_PART, TUBELETS)
    return [(BETWEEN_PARTS, ALL_PARTS), *((level, p) for level in levels for p in skeleton.parts)]


class About(Record):
    """The entries of the file beside the table."""

    expected = "a table of attention and movement"
    writer = "bptubeformer attention_movement"
    model: Digest


def read_movement(path: Path, skeleton: Skeleton) -> pd.DataFrame:
    """Attention and movement of the test segments of a fold.

    Args:
        path: of the table.
        skeleton: of the dataset.

    Raises:
        InputError: the file is not such a table.
    """
    table, about = read_parquet(path, About)
    with reading(path, About.expected, About.writer):
        of_levels = (
            (level, part, order) for level, part in levels_of(skeleton) for order in ORDERS
        )
        needed = {name for each in of_levels for name in _columns(*each)}
        for name in ("trajectory", "window_start", *sorted(needed)):
            if name not in table:
                raise ValueError(f"no column {name}")
            if table[name].dtype.kind not in "if":
                raise ValueError(f"its column {name} does not hold numbers")
        table.attrs = about
        return table


def movement_table(
    folds: Sequence[pd.DataFrame],
    store: Path,
    samples: int,
    seed: int,
) -> pd.DataFrame:
    """Rank correlations of attention and movement, mean over folds, with 95 % intervals.

    Intervals count two sources: videos (bootstrap within classes) and trainings (the variance over
    folds and seeds, pooled over the body parts).

    Args:
        folds: ``movement.parquet`` of each fold and seed, as ``attention_movement`` writes it.
        store: the frame store, whose videos the trajectories belong to.
        samples: resamples of the bootstrap.
        seed: of the bootstrap.

    Returns:
        columns level, part, order, rank_correlation, interval_low, interval_high, segments
        (different ones that could be used); and, of the true order, minus_shuffled,
        minus_shuffled_low and minus_shuffled_high, its difference to the control on the same
        resamples.
    """
    video_of_trajectory, labels = videos_of(store)
    videos = [video_of_trajectory[fold["trajectory"]] for fold in folds]
    tested = np.zeros(len(labels), dtype=bool)
    tested[np.concatenate(videos)] = True
    once = np.ones((1, len(labels)), dtype=np.int64)
    weights = np.concatenate([once, draw_weights(labels, tested, samples, seed)])
    rows: list[dict[str, Any]] = []
    found: dict[tuple[str, str], dict[str, np.ndarray]] = {}
    for level, part in levels_of(read_skeleton_of(store)):
        values = {}
        for order in ORDERS:
            of_folds = [
                _weighted(fold, video, level, part, order, weights)
                for fold, video in zip(folds, videos, strict=True)
            ]
            values[order] = np.array(of_folds)
        values["minus_shuffled"] = values[ORDERS[0]] - values[ORDERS[1]]
        found[level, part] = values
    for (level, part), values in found.items():
        bounds = {
            name: _estimate(value, [other[name] for key, other in found.items() if key[0] == level],
                            int(tested.sum())).interval()
            for name, value in values.items()
        }  # fmt: skip
        values = {name: value.mean(axis=0) for name, value in values.items()}
        for order in ORDERS:
            row: dict[str, Any] = {"level": level, "part": part, "order": order}
            row["rank_correlation"] = values[order][0]
            row["interval_low"], row["interval_high"] = bounds[order]
            row["segments"] = _usable(folds, level, part, order)
            if order == ORDERS[0]:
                row["minus_shuffled"] = values["minus_shuffled"][0]
                low, high = bounds["minus_shuffled"]
                row |= {"minus_shuffled_low": low, "minus_shuffled_high": high}
            rows.append(row)
    return pd.DataFrame(rows)


def _estimate(values: np.ndarray, pooled: Sequence[np.ndarray], videos: int) -> Estimate:
    """A correlation, mean over folds, with both sources of its error.

    Args:
        values: float64 (F, 1 + S): of each fold, of all videos and of each resample of them.
        pooled: the same of each body part, whose variance over folds is pooled.
        videos: number of test videos.
    """
    mean = values.mean(axis=0)
    folds = len(values)
    of_videos = float(np.nanvar(mean[1:], ddof=1))
    over_folds = [part[:, 0] for part in pooled if np.isfinite(part[:, 0]).all()]
    if folds < 2 or not over_folds or not np.isfinite(mean[0]):
        return Estimate(float(mean[0]), np.nan)
    of_training = float(np.mean([part.var(ddof=1) for part in over_folds])) / folds
    freedom = satterthwaite([of_videos, of_training], [videos - 1, (folds - 1) * len(over_folds)])
    return Estimate(float(mean[0]), of_videos, of_training, freedom)


def write_movement(study: Study, output: Path) -> None:
    """Write the rank correlations of attention and movement, with intervals.

    Args:
        study: of whose run of the figures the correlations are.
        output: movement.csv; .md and .html are written to the same folder.

    Raises:
        InputError: a file is not a table of attention and movement.
    """
    files = study.files(MOVEMENT, [study.shown], [study.protocol])
    skeleton = read_skeleton_of(study.store)
    folds = [read_movement(path, skeleton) for path in files]
    table = movement_table(folds, study.store, *study.bootstrap)
    write_table(output, table, movement_markdown(table))


def _columns(level: str, part: str, order: str) -> list[str]:
    """Columns of ``movement.parquet`` that a correlation is made of."""
    return {
        BETWEEN_PARTS: [f"{BETWEEN_PARTS} {order}"],
        BODY_PART: [f"attention {part} {order}", f"speed {part}"],
        TUBELETS: [f"{TUBELETS} {part} {order}"],
    }[level]


def _usable(folds: Sequence[pd.DataFrame], level: str, part: str, order: str) -> int:
    """Count the different segments that have all values for a correlation."""
    columns = _columns(level, part, order)
    usable = [fold["window_start"][fold[columns].notna().all(axis=1)] for fold in folds]
    return pd.concat(usable).nunique()


def movement_markdown(table: pd.DataFrame) -> str:
    """The movement table for people: true and shuffled time side by side."""
    columns: dict[str, list[str]] = {"Level": [], "Part": [], "Rank correlation": []}
    columns |= {"95 % interval": [], "Shuffled": [], "95 % interval, shuffled": []}
    columns |= {"Minus shuffled": [], "95 % interval, minus shuffled": []}
    for (level, part), pair in table.groupby(["level", "part"], sort=False):
        true, shuffled = (pair[pair["order"] == order].iloc[0] for order in ORDERS)
        row = [level, part]
        for one, name in ((true, ""), (shuffled, ""), (true, "minus_shuffled")):
            low, high = (f"{name}_{end}" if name else f"interval_{end}" for end in ("low", "high"))
            row.append(f"{one[name or 'rank_correlation']:+.3f}")
            row += ranges([one[low]], [one[high]], "+.3f")
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    notes = [
        "Attention of the last layer against the speed of joints, over "
        f"{table['segments'].max()} test segments, mean over folds. Between parts: within a "
        "segment, the class token's attention to the parts. Body part: over segments, its "
        "attention to the part. Tubelets: within a segment, over time. Shuffled: the model sees "
        "the frames in random order, each with the speed that it has in true order; attention "
        "that correlates as much there does not follow movement. Intervals "
        "count videos (bootstrap) and trainings."
    ]
    return render("Does attention follow movement?", pd.DataFrame(columns), notes)


def _weighted(
    fold: pd.DataFrame, video: np.ndarray, level: str, part: str, order: str, weights: np.ndarray
) -> np.ndarray:
    """The correlation under each row of weights (S, V) of the videos, float64 (S,)."""

    def total(values: np.ndarray) -> np.ndarray:
        return weights @ np.bincount(video[sound], values, minlength=weights.shape[1])

    columns = _columns(level, part, order)
    if level == BODY_PART:
        pair = fold[columns].to_numpy(np.float64)
        sound = np.isfinite(pair).all(axis=1)
        # Ranked once: a resample weighs the ranks of all segments instead of ranking again.
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
    rho = fold[columns[0]].to_numpy(np.float64)
    sound = np.isfinite(rho)
    count = total(np.ones(int(sound.sum())))
    return np.divide(total(rho[sound]), count, out=np.full(len(weights), np.nan), where=count > 0)
