from dataclasses import replace

import numpy as np
import pytest

from bptubeformer.errors import InputError
from bptubeformer.evaluation.inspection import (
    Embeddings,
    SegmentAttention,
    choose_segment,
    sample_per_class,
)
from fakes import CONTENT

CATEGORIES = ["Abuse", "Arson"]
ATTENTION = SegmentAttention(
    segment=np.ones((4, 34), np.float32),
    frame_number=np.arange(4, dtype=np.int32),
    attention={"body parts": np.full((8, 6, 6), 1 / 6, np.float32)},
    text={
        "category": "Abuse",
        "predicted": "Abuse",
        "probability": "0.9",
        "video": "a",
        "person": "1",
    },
    model=CONTENT,
)


def test_at_most_so_many_of_each_class_are_sampled():
    labels = np.repeat([0, 1, 2], [10, 3, 5])
    chosen = sample_per_class(labels, 4, seed=0)
    assert np.bincount(labels[chosen]).tolist() == [4, 3, 4]
    assert (np.diff(chosen) > 0).all()
    assert chosen.tolist() == sample_per_class(labels, 4, seed=0).tolist()
    assert chosen.tolist() != sample_per_class(labels, 4, seed=1).tolist()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"embedding": np.full((2, 3), np.nan, np.float32)}, "not a table of finite numbers"),
        ({"embedding": np.ones(2, np.float32)}, "not a table of finite numbers"),
        ({"label": np.array([0, 2])}, "its label is not one of its classes for each"),
        ({"predicted": np.array([0, -1])}, "its predicted is not one of its classes"),
        ({"predicted": np.array([0])}, "its predicted is not one of its classes for each"),
        ({"trajectory": np.array([0])}, "its trajectories are not one for each embedding"),
        ({"trajectory": np.array([0, -1])}, "its trajectories are not one for each embedding"),
    ],
)
def test_embeddings_that_do_not_belong_together_are_refused(tmp_path, change, words):
    sound = Embeddings(
        np.ones((2, 3), np.float32),
        np.array([0, 1]),
        np.array([1, 1]),
        ("a", "b"),
        np.array([0, 0]),
        CONTENT,
    )
    replace(sound, **change).save(tmp_path / "embeddings.safetensors")
    with pytest.raises(InputError, match=words):
        Embeddings.load(tmp_path / "embeddings.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"segment": np.ones((4, 33), np.float32)}, "not one skeleton for each frame"),
        ({"frame_number": np.arange(3, dtype=np.int32)}, "not one skeleton for each frame"),
        ({"attention": {"torso": np.full((8, 6, 5), 0.2)}}, "of torso is not a square of"),
        ({"attention": {"torso": np.full((6, 6), 1 / 6)}}, "of torso is not a square of"),
        ({"attention": {"torso": np.full((8, 6, 6), 0.2)}}, "of torso is not a square of"),
        ({"attention": {"torso": np.full((8, 6, 6), np.nan)}}, "of torso is not a square of"),
    ],
)
def test_attention_that_does_not_belong_together_is_refused(tmp_path, change, words):
    replace(ATTENTION, **change).save(tmp_path / "attention.safetensors")
    with pytest.raises(InputError, match=words):
        SegmentAttention.load(tmp_path / "attention.safetensors")


@pytest.mark.parametrize(
    ("labels", "logits", "category", "expected"),
    [
        # the surest correct segment of the category
        ([0, 0, 0, 1], [[1, 0], [3, 0], [0, 9], [0, 9]], "Abuse", 1),
        # none is correct: the one nearest to it
        ([0, 0, 1], [[0, 5], [0, 1], [0, 9]], "Abuse", 1),
        # no segment of the category, or no such category: the surest correct one of all
        ([1, 1, 1], [[0, 5], [0, 7], [9, 0]], "Abuse", 1),
        ([0, 1], [[5, 0], [0, 7]], "Fighting", 1),
    ],
)
def test_the_segment_shown(labels, logits, category, expected):
    logits = np.array(logits, dtype=np.float32)
    assert choose_segment(np.array(labels), logits, CATEGORIES, category) == expected


def test_records_survive_saving(tmp_path):
    embeddings = Embeddings(
        np.ones((2, 3), np.float32),
        np.array([0, 1]),
        np.array([1, 1]),
        ("a", "b"),
        np.array([4, 7]),
        CONTENT,
    )
    embeddings.save(tmp_path / "embeddings.safetensors")
    loaded = Embeddings.load(tmp_path / "embeddings.safetensors")
    assert loaded.categories == ("a", "b")
    assert loaded.trajectory.tolist() == [4, 7]
    assert np.array_equal(loaded.embedding, embeddings.embedding)
    assert np.array_equal(loaded.predicted, embeddings.predicted)
    ATTENTION.save(tmp_path / "attention.safetensors")
    loaded = SegmentAttention.load(tmp_path / "attention.safetensors")
    assert loaded.text == ATTENTION.text
    assert list(loaded.attention) == ["body parts"]
    assert np.array_equal(loaded.segment, ATTENTION.segment)
