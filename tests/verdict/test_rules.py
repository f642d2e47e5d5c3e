import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.evaluation.uncertainty import Estimate
from bptubeformer.verdict.rules import CANNOT, Rules

RULES = Rules(0.01, 2)


def known(value, error=1e-9, **others):
    return Estimate(value, error**2 / 2, error**2 / 2, **{"fewest_videos": 9, **others})


def test_equivalence_is_two_sided():
    assert RULES.within(known(0.005)) == (True, "")
    assert RULES.within(known(0.02)) == (False, "higher")
    assert RULES.within(known(-0.02)) == (False, "lower")
    assert RULES.within(known(0.5), 0.499) == (True, "")


def test_a_wider_interval_never_makes_a_claim_true():
    for error in (0.003, 0.006, 0.02, 1.0):
        holds, note = RULES.within(known(0.006, error))
        assert holds is None
        assert (note == "") == (error == 0.003)  # enough power, and bad luck


def test_what_is_needed_is_enough():
    """With so many more videos and trainings the rule has half of the power."""
    estimate = Estimate(0.0, 0.004**2, 0.03**2, fewest_videos=9)
    note = RULES.within(estimate)[1]
    assert note.startswith(CANNOT)
    assert note.endswith("it could with 3 times the test videos and 125 times the folds or seeds")
    better = Estimate(0.0, 0.004**2 / 3, 0.03**2 / 125, fewest_videos=9)
    assert RULES.within(better)[1] == ""
    assert "times the test videos" in RULES.within(Estimate(0.0, 0.1, 0.0, fewest_videos=9))[1]


def test_what_a_difference_would_need_is_enough():
    poor = known(0.0, 0.02)
    assert RULES.needed_for(poor, -0.04) == ""
    note = RULES.needed_for(poor, -0.01)
    assert note.startswith(f"{CANNOT} if the paper's -0.0100 is true; it could with 16 times")
    assert RULES.needed_for(known(0.0, 0.02 / 16**0.5), -0.01) == ""


def test_one_fold_needs_another():
    alone = Estimate(0.0, 0.001, math.inf, 1.0, 10, 9)
    note = f"{CANNOT} within 0.01; it could with at least two folds"
    assert RULES.within(alone) == (None, note)
    assert RULES.needed_for(alone, 0.02).endswith("it could with at least two folds")
    assert RULES.positive([alone])[0] is None


def test_orderings_need_every_pair_and_a_tie_favours_nothing():
    assert RULES.positive([known(0.1), known(0.2)]) == (True, "")
    assert RULES.positive([known(0.1), known(-0.2)])[0] is False
    assert RULES.positive([known(0.1), known(0.0, 0.1)])[0] is None
    assert RULES.positive([known(0.0)])[0] is None
    assert "0 of 2 pairs decided" in RULES.positive([known(0.0, 1), known(0.1, 1)])[1]


def test_one_pair_of_many_refutes_only_at_a_corrected_level():
    against = known(-0.021, 0.01)
    assert RULES.positive([against])[0] is False
    assert RULES.positive([against, *[known(0.1)] * 9])[0] is None


def test_too_few_videos_decide_nothing():
    poor = known(0.5, fewest_videos=1)
    for rule in (lambda e: RULES.within(e), lambda e: RULES.positive([e])):
        holds, note = rule(poor)
        assert holds is None
        assert note == "a class has too few test videos in a fold: 1, at least 2 are needed"


@given(
    st.floats(-1, 1), st.floats(1e-4, 1), st.floats(1e-4, 1), st.floats(2, 1000), st.floats(0, 0.5)
)
def test_more_error_decides_less(value, videos, training, freedom, more):
    estimate = Estimate(value, videos**2, training**2, freedom, 1, 9)
    worse = Estimate(value, (videos + more) ** 2, training**2, freedom, 1, 9)
    for rule in (lambda e: RULES.within(e)[0], lambda e: RULES.positive([e])[0]):
        assert rule(worse) in (None, rule(estimate))
    low, high = estimate.interval()
    assert low < value < high
    assert estimate.resolvable > high - value
    assert math.isclose((estimate - value).value, 0, abs_tol=1e-12)


def test_estimates_of_other_videos_are_subtracted_with_both_errors():
    one, other = known(0.5, 0.3, freedom=10), known(0.2, 0.4, freedom=20)
    difference = one - other
    assert difference.value == pytest.approx(0.3)
    assert difference.error == pytest.approx(0.5)
    assert 10 < difference.freedom <= 30
