"""Decision rules: from estimates to *holds*, *does not hold* or *the data cannot tell*.

Each rule asks for a 95 % interval (``evaluation.uncertainty``). Nothing is decided by a point
estimate, and a tie never favours a claim. ``python benchmarks verdicts`` measures how often the
rules are wrong and how often they decide.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from bptubeformer.evaluation.uncertainty import CONFIDENCE, Estimate, quantile

LEAST_POWER = 0.5
"""A rule that would confirm a true claim less often than this decides nothing for the claim."""
CANNOT = "this protocol cannot decide it"


@dataclass(frozen=True)
class Rules:
    """The rules with their settings, ``statistics`` in ``config.yaml``."""

    margin: float
    """Differences of balanced accuracy or recall below it are "similar"."""
    minimum_videos: int
    """Test videos that each class needs for a verdict."""

    def too_few(self, estimates: Sequence[Estimate]) -> str:
        """Say that a class has too few test videos; empty where none has."""
        fewest = min(estimate.fewest_videos for estimate in estimates)
        if fewest >= self.minimum_videos:
            return ""
        return (
            f"a class has too few test videos in a fold: {fewest}, "
            f"at least {self.minimum_videos} are needed"
        )

    def within(self, estimate: Estimate, target: float = 0.0) -> tuple[bool | None, str]:
        """Two-sided equivalence: the interval lies within ``target`` +- margin.

        Args:
            estimate: a number, or a paired difference.
            target: what is printed; 0 for "similar" and "matches".

        Returns:
            True within, False wholly outside, else None; and a note.
        """
        if note := self.too_few([estimate]):
            return None, note
        low, high = (estimate - target).interval()
        if -self.margin <= low and high <= self.margin:
            return True, ""
        if low > self.margin:
            return False, "higher"
        if high < -self.margin:
            return False, "lower"
        return None, self.needed(estimate)

    def needed(self, estimate: Estimate) -> str:
        """Say what equivalence would need; empty where a true claim is confirmed often enough.

        The interval of a number that is exactly as claimed then lies within the margin in half of
        all repetitions.
        """
        power = float(ndtri((1 + LEAST_POWER) / 2))
        if estimate.error <= self.margin / (quantile(CONFIDENCE, estimate.freedom) + power):
            return ""
        more = _more(estimate, self.margin / (quantile(CONFIDENCE, math.inf) + power))
        return f"{CANNOT} within {self.margin:g}; it could with {more}"

    def needed_for(self, estimate: Estimate, difference: float) -> str:
        """Say what a true difference of this size would need to be decided in half of all cases.

        Empty where this run can decide it.
        """
        if abs(difference) >= estimate.error * quantile(CONFIDENCE, estimate.freedom):
            return ""
        more = _more(estimate, abs(difference) / quantile(CONFIDENCE, math.inf))
        return f"{CANNOT} if the paper's {difference:+.4f} is true; it could with {more}"

    def positive(self, estimates: Sequence[Estimate]) -> tuple[bool | None, str]:
        """All true differences are above 0: orderings, "lower", "higher".

        Each difference has to be decided for the claim. One that is decided against it refutes
        the claim, at a level that is corrected for the number of differences (Bonferroni).

        Returns:
            True, False, or None; and a note.
        """
        if note := self.too_few(estimates):
            return None, note
        if all(estimate.interval()[0] > 0 for estimate in estimates):
            return True, ""
        against = 1 - (1 - CONFIDENCE) / len(estimates)
        if any(estimate.interval(against)[1] < 0 for estimate in estimates):
            return False, ""
        decided = sum(estimate.interval()[0] > 0 for estimate in estimates)
        if len(estimates) == 1:
            return None, "the interval of the paired difference holds 0"
        return None, f"{decided} of {len(estimates)} pairs decided for the claim, none against it"


def largest_resolvable(estimates: Sequence[Estimate]) -> float | None:
    """Smallest difference that every comparison can resolve; None where one has no error."""
    value = max(estimate.resolvable for estimate in estimates)
    return float(value) if np.isfinite(value) else None


def _more(estimate: Estimate, allowed: float) -> str:
    """Compute by which factor test videos and trainings must grow to reach an allowed error.

    With more data the degrees of freedom grow too, so that ``allowed`` is for the normal
    distribution.
    """
    videos, training, whole = estimate.video_variance, estimate.training_variance, allowed**2
    if not math.isfinite(estimate.error):
        return "at least two folds"
    if training < whole / 2:
        factors = videos / (whole - training), 1.0
    elif videos < whole / 2:
        factors = 1.0, training / (whole - videos)
    else:
        factors = videos / (whole / 2), training / (whole / 2)
    names = ("test videos", "folds or seeds")
    return " and ".join(
        f"{math.ceil(factor)} times the {name}"
        for factor, name in zip(factors, names, strict=True)
        if factor > 1
    )
