"""Signatures of paths, against Chen's identity, and what a path is where joints are missing."""

import re
from functools import reduce

import numpy as np
import pytest
import torch

from bptubeformer.models import build_model
from bptubeformer.models.pathsignature import log_signature, paths_of
from bptubeformer.skeleton import COCO_17

RUN = {"model": "pathsignature", "segment_length": 24}
WORDS = [(0,), (1,), (0, 1), (0, 0, 1), (0, 1, 1)]
"""Lyndon words of two letters, up to level 3."""


def one_after_the_other(first, second):
    """Chen's identity: the signature of two paths from those of both, each a list of levels."""
    return [
        sum(np.multiply.outer(first[i], second[level - i]) for i in range(level + 1))
        for level in range(len(first))
    ]


def of_a_line(step):
    square = np.multiply.outer(step, step)
    return [np.ones(()), step, square / 2, np.multiply.outer(square, step) / 6]


def logarithm(signature):
    x = [np.zeros(()), *signature[1:]]
    square = one_after_the_other(x, x)
    cube = one_after_the_other(square, x)
    return [a - b / 2 + c / 3 for a, b, c in zip(x, square, cube, strict=True)]


def people(count=5):
    """Segments of people who walk about; in some frames a whole part is missing."""
    random = torch.Generator().manual_seed(0)
    start = 300 * torch.rand(count, 1, 34, generator=random)
    joints = (start + torch.randn(count, 24, 34, generator=random).cumsum(1)).unflatten(-1, (17, 2))
    joints[:, 5:8, COCO_17.members["knees"]] = 0
    return joints.flatten(-2)


def terms_of(segments, **run):
    return build_model(RUN | run, 3)._terms(segments)


@pytest.mark.parametrize("level", [2, 3])
def test_a_log_signature_is_that_of_chens_identity(level):
    paths = np.random.RandomState(0).standard_normal((4, 25, 2)).cumsum(axis=1)
    logs = [
        logarithm(reduce(one_after_the_other, map(of_a_line, np.diff(p, axis=0)))) for p in paths
    ]
    expected = [[log[len(word)][word] for word in WORDS if len(word) <= level] for log in logs]
    found = log_signature(torch.tensor(paths), level)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


def test_right_and_then_up_is_the_formula_of_baker_campbell_and_hausdorff():
    corner = torch.tensor([[[0.0, 0], [1, 0], [1, 1]]])
    found = log_signature(corner, 3)
    torch.testing.assert_close(found, torch.tensor([[1, 1, 1 / 2, 1 / 12, 1 / 12]]))


def test_a_path_follows_the_mean_of_the_joints_that_are_there():
    joints = torch.zeros(1, 3, 4, 2)
    joints[0, 0, 0] = torch.tensor([2.0, 4])
    joints[0, 1, :2] = torch.tensor([[2.0, 4], [4, 8]])
    points = paths_of(joints.flatten(-2), [[0, 1], [2, 3]], from_origin=True)
    assert points.tolist() == [[[[0, 0], [2, 4], [3, 6], [3, 6]], [[0, 0]] * 4]]


@pytest.mark.parametrize("start", ["origin", "first"])
@pytest.mark.parametrize("gone", [[0, 1], [7, 8, 15], [22, 23]])
def test_frames_without_anybody_are_as_if_left_out(start, gone):
    segments = people()
    left = [frame for frame in range(24) if frame not in gone]
    expected = terms_of(segments[:, left], start=start)
    segments[:, gone] = 0
    torch.testing.assert_close(terms_of(segments, start=start), expected)


def test_a_path_from_its_first_frame_is_its_movement_alone():
    segments = people()
    moved = torch.where(segments == 0, 0, segments + 10)
    torch.testing.assert_close(terms_of(moved, start="first"), terms_of(segments, start="first"),
                               rtol=1e-3, atol=1e-2)  # fmt: skip
    places = [0, 5, 10, 15, 20]  # x of the five parts at the end
    apart = terms_of(moved)[:, places] - terms_of(segments)[:, places]
    torch.testing.assert_close(apart, torch.full((5, 5), 10.0), rtol=1e-3, atol=0)


def test_terms_of_the_training_data_have_mean_0_and_deviation_1():
    segments = people(40)
    segments[:, :, :2] = 0  # the nose is never seen
    model = build_model(RUN | {"paths": "joints"}, 3)
    model.adapt(segments.split(15))
    terms = (model._terms(segments) - model.mean) / model.deviation
    torch.testing.assert_close(terms.mean(0), torch.zeros(85), rtol=0, atol=1e-4)
    assert (terms[:, :5] == 0).all()
    torch.testing.assert_close(terms[:, 5:].std(0, correction=0), torch.ones(80))


def test_levels_that_float32_does_not_hold_are_refused():
    with pytest.raises(ValueError, match=re.escape("needs level <= 3; level is 4")):
        build_model(RUN | {"level": 4}, 3)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU on this machine")
def test_terms_on_a_gpu_are_those_of_a_cpu_on_any_stream():
    segments = people(500)
    expected = terms_of(segments)
    with torch.cuda.stream(torch.cuda.Stream()):
        found = terms_of(segments.cuda())
    torch.testing.assert_close(found.cpu(), expected)
