import pytest

from bptubeformer.errors import InputError
from bptubeformer.questions import with_questions


def asked(findings):
    return with_questions({"mine": {"runs": ["a"], "findings": findings}})["mine"]["findings"]


def test_a_question_about_several_runs_becomes_one_about_each():
    assert asked({"Is {run} better than {other}?": [["a", "b"], "c"]}) == {
        "Is a better than c?": ["a", "c"],
        "Is b better than c?": ["b", "c"],
    }


def test_pairs_are_named_by_two_lists():
    assert asked({"Does {run} help after {other}?": [["b", "c"], ["a", "b"]]}) == {
        "Does b help after a?": ["b", "a"],
        "Does c help after b?": ["c", "b"],
    }


def test_the_measure_of_a_question_stays():
    assert asked({"Does {run} know?": [["a", "b"], "chance", "noise"]}) == {
        "Does a know?": ["a", "chance", "noise"],
        "Does b know?": ["b", "chance", "noise"],
    }


def test_lists_of_different_lengths_are_refused():
    with pytest.raises(InputError, match=r"findings\.Is \{run\}\?.*: 2 runs and 1 others; give as"):
        asked({"Is {run}?": [["a", "b"], ["c"]]})


def test_all_else_stays():
    given = {"Is it?": ["a", "b"], "And {run}?": ["a", "b"], "Which?": [["a"], "b"], "No?": None}
    assert asked(given) == given
    assert with_questions(None) is None
    assert with_questions({"mine": None, "yours": {"findings": 3}}) == {
        "mine": None, "yours": {"findings": 3},
    }  # fmt: skip
