"""Outcomes of the tests of claims, and the register of all tests."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from bptubeformer.claims import Claim
from bptubeformer.verdict.evidence import Evidence


class Kind(Enum):
    """The subject of a test, which decides the verdicts it can give."""

    RESULTS = "results"
    """Results on a dataset; judged on the paper's dataset with the paper's settings alone."""
    COMPUTED = "computed"
    """Numbers that follow from the models, such as MACs; no data is needed."""
    CONSTRUCTION = "construction"
    """What an implementation follows by construction: it can be broken, but not be found."""


@dataclass(frozen=True)
class Outcome:
    """The outcome of a test."""

    holds: bool | None
    """True: the claim holds here. False: it does not. None: the data cannot tell."""
    here: str
    """The number or observation of this run."""
    file: str
    """The evidence: a file below ``results/<dataset>``, or of the package."""
    difference: float | None = None
    """Here minus printed, in the unit of the printed number."""
    resolvable: float | None = None
    """Smallest difference that the test set and the trainings can resolve."""
    note: str = ""
    """Why the data cannot tell, or what else a reader has to know."""


Test = Callable[[Claim, Evidence], Outcome]
TESTS: dict[str, Test] = {}
KINDS: dict[str, Kind] = {}


def decides(kind: Kind) -> Callable[[Test], Test]:
    """Register a test under its name.

    Args:
        kind: what the test is about.

    Raises:
        ValueError: a test of this name is registered already.
    """

    def register(function: Test) -> Test:
        if function.__name__ in TESTS:
            raise ValueError(f"two tests of claims are named {function.__name__}; rename one")
        TESTS[function.__name__] = function
        KINDS[function.__name__] = kind
        return function

    return register
