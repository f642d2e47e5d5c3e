"""Times side by side: in turn, in one process, the median of several."""

import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """A line of the table: what this package takes, and what the other way takes."""

    benchmark: str
    case: str
    ours: float
    spread: str
    """Lowest and highest of what was measured of ours."""
    unit: str
    other: str = ""
    """What a user would otherwise write."""
    others: float | None = None
    ratio: float | None = None
    """How many times ours the other takes; of rates, how many times the other's ours is."""
    note: str = ""


def in_turn(
    ways: Mapping[str, Callable[[], object]], repeats: int, warm_up: int = 1
) -> dict[str, list[float]]:
    """Seconds of each way, taken in turn, so that a machine that slows down slows all of them."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for repeat in range(warm_up + repeats):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            if repeat >= warm_up:
                seconds[name].append(time.perf_counter() - began)
    return seconds


def row(
    benchmark: str,
    case: str,
    seconds: Mapping[str, list[float]],
    other: str = "",
    scale: float = 1.0,
    unit: str = "s",
    note: str = "",
) -> Row:
    """A line from the times of ``ours`` and, where there is one, of ``other``."""
    ours = [scale * value for value in seconds["ours"]]
    others = scale * statistics.median(seconds[other]) if other else None
    # The median of the ratios of neighbours: the machine was the same for both.
    ratio = None
    if other:
        pairs = zip(seconds[other], seconds["ours"], strict=True)
        ratio = statistics.median(theirs / mine for theirs, mine in pairs)
    return Row(
        benchmark, case, statistics.median(ours), f"{min(ours):.4g} to {max(ours):.4g}", unit,
        other, others, ratio, note,
    )  # fmt: skip
