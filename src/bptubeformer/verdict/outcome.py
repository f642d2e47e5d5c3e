"""What a test of a claim finds, and the register of all tests."""

from collections.abc import Callable
from dataclasses import dataclass

from bptubeformer.claims import Claim
from bptubeformer.verdict.evidence import Evidence


@dataclass(frozen=True)
class Outcome:
    """What a test found."""

    holds: bool
    here: str
    """The number or observation of this run."""
    file: str
    """The evidence: a file below ``results/<dataset>``, or of the package."""
    difference: float | None = None
    """Here minus printed, in the unit of the printed number."""


Test = Callable[[Claim, Evidence], Outcome]
TESTS: dict[str, Test] = {}
OF_RESULTS: set[str] = set()
"""Tests of results, which mean something on the paper's dataset alone."""


def decides(*, results: bool) -> Callable[[Test], Test]:
    """Register a test under its name.

    Args:
        results: whether it is about results on a dataset, or about models and settings alone.

    Raises:
        ValueError: a test of this name is registered already.
    """

    def register(function: Test) -> Test:
        if function.__name__ in TESTS:
            raise ValueError(f"two tests of claims are named {function.__name__}; rename one")
        TESTS[function.__name__] = function
        if results:
            OF_RESULTS.add(function.__name__)
        return function

    return register
