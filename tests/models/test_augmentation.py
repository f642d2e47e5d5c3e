"""Random changes of training segments: what they change, and what they must not."""

import pytest
import torch

from bptubeformer.models.augmentation import (
    AUGMENTATIONS,
    _mirrored_joints,
    augmented,
    flipped,
    scaled,
    warped,
    without_joints,
)
from bptubeformer.skeleton import COCO_17, load_skeleton

MISSING = (1, 4, 9)
"""Joints that are missing in every frame."""


@pytest.fixture
def segments():
    torch.manual_seed(0)
    joints = 50 + 100 * torch.rand(40, 24, 17, 2)
    joints[:, :, MISSING] = 0
    return joints.flatten(-2)


def sides(segments):
    joints = segments.unflatten(-1, (-1, 2))
    return (joints != 0).any(dim=-1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_a_change_is_random_and_leaves_missing_joints_missing(name, segments):
    torch.manual_seed(1)
    one = augmented(segments, COCO_17, [name])
    two = augmented(segments, COCO_17, [name])
    assert one.shape == segments.shape
    assert one.isfinite().all()
    assert not torch.equal(one, two)
    # A flip moves what is missing to the other side.
    expected = sides(segments).sum(dim=-1)
    there = sides(one).sum(dim=-1)
    assert (there <= expected).all() if name == "drop-joints" else torch.equal(there, expected)
    nobody = torch.zeros(3, 24, 34)
    assert not augmented(nobody, COCO_17, [name]).any()


def test_they_come_in_their_order(segments):
    torch.manual_seed(1)
    both = augmented(segments, COCO_17, ["flip", "scale"])
    torch.manual_seed(1)
    assert torch.equal(both, scaled(flipped(segments, COCO_17), COCO_17))


def test_left_becomes_right_and_the_nose_stays():
    for skeleton in (COCO_17, load_skeleton("ntu-25")):
        others = _mirrored_joints(skeleton)
        assert [others[others[joint]] for joint in range(len(others))] == list(range(len(others)))
        for joint, other in zip(skeleton.joints, others, strict=True):
            swapped = joint.replace("left ", "@").replace("right ", "left ").replace("@", "right ")
            assert skeleton.joints[other] == swapped


def test_a_flipped_person_stands_where_it_stood(segments):
    torch.manual_seed(0)
    found = flipped(segments, COCO_17).unflatten(-1, (-1, 2))
    joints = segments.unflatten(-1, (-1, 2))
    changed = (found != joints).flatten(1).any(dim=1)
    assert 5 < changed.sum() < 35
    assert torch.equal(found[..., 1].sum(-1), joints[..., 1].sum(-1)) or torch.allclose(
        found[..., 1].sum(-1), joints[..., 1].sum(-1)
    )
    for ends in (torch.amin, torch.amax):
        seen = [ends(x[..., 0].masked_fill(x[..., 0] == 0, 100.0), dim=(1, 2))
                for x in (found, joints)]  # fmt: skip
        torch.testing.assert_close(*seen)
    # Twice the same flip is none.
    torch.manual_seed(0)
    again = flipped(found.flatten(-2), COCO_17)
    torch.testing.assert_close(again, segments)


def test_joints_are_dropped_in_all_frames(segments):
    there = sides(without_joints(segments, COCO_17))
    assert torch.equal(there.any(dim=1), there.all(dim=1))
    assert 0.05 < 1 - there.float().mean() / sides(segments).float().mean() < 0.15


def test_time_keeps_its_order_and_its_ends():
    frames = torch.arange(1.0, 25.0).view(1, 24, 1).expand(50, 24, 34)
    found = warped(frames, COCO_17)[..., 0]
    assert (found.diff(dim=1) >= 0).all()
    assert torch.equal(found[:, 0], torch.ones(50))
    assert torch.equal(found[:, -1], torch.full((50,), 24.0))
    assert (found - frames[..., 0]).abs().max() <= 3
