"""Features and principal components of KinematicsMLP, against the formulas of their source."""

import math
import re

import numpy as np
import pytest
import torch

from bptubeformer.models import build_model
from bptubeformer.models.kinematic_features import CHAINS, filled
from bptubeformer.models.kinematics import KinematicsMLP
from bptubeformer.skeleton import COCO_17

INDEX = {joint: number for number, joint in enumerate(COCO_17.joints)}


def people(count=6, frames=24):
    generator = torch.Generator().manual_seed(0)
    first = 50 + 100 * torch.rand(count, 1, 17, 2, generator=generator)
    return first + torch.randn(count, frames, 17, 2, generator=generator).cumsum(1)


def chains_of(joints):
    """Joints (B, T, 17, 2) as the chains without the neck."""
    return joints[:, :, [INDEX[joint] for chain in CHAINS for joint in chain]].unflatten(2, (4, 3))


def by_the_formulas(window, mean):
    """Features of a window of joints (f, 17, 2), all of them there, one number after the other."""
    place = {joint: window[:, number].numpy() for joint, number in INDEX.items()}
    neck = (place["left shoulder"] + place["right shoulder"]) / 2
    thigh = (place["left hip"] + place["right hip"]) / 2
    height = np.mean([math.dist(n, t) for n, t in zip(neck, thigh, strict=True)])
    chains = [[neck, *(place[joint] for joint in chain)] for chain in CHAINS]
    joints = np.stack([neck, *(joint for chain in chains for joint in chain[1:])], axis=1)
    positions = (joints - joints.mean(None if mean == "all" else (0, 1))) / height
    bends, lengths = [], []
    for frame in range(len(window)):
        for a, b, c, d in ([joint[frame] for joint in chain] for chain in chains):
            lengths += [math.dist(a, b), math.dist(b, c), math.dist(c, d)]
            for before, after in ((b - a, c - b), (c - b, d - c)):
                cosine = before @ after / np.linalg.norm(before) / np.linalg.norm(after)
                bends.append(math.acos(np.clip(cosine, -1, 1)))
    return np.concatenate(
        [positions.ravel(), (np.diff(neck, axis=0) / height).ravel(),
         np.diff(positions, axis=0).ravel(), bends,
         np.reshape(lengths, (len(window), -1)).mean(0) / height]
    )  # fmt: skip


@pytest.mark.parametrize("frames", [1, 3, 24])
@pytest.mark.parametrize("mean", ["all", "axes"])
def test_the_features_of_each_window_are_those_of_the_formulas(frames, mean):
    joints = people(2)
    model = KinematicsMLP(classes=3, frames=frames, mean=mean)
    features, used = model._features(joints.flatten(-2))
    assert used.shape == (2, 25 - frames)
    assert used.all()
    for window in (0, 24 - frames):
        expected = by_the_formulas(joints[1, window : window + frames].double(), mean)
        assert np.allclose(features[1, window], expected, rtol=1e-3, atol=1e-4)


def test_three_frames_make_170_values_of_which_51_are_kept():
    assert KinematicsMLP(classes=3).components.shape == (170, 51)


@pytest.mark.parametrize(("mean", "hidden"), [("all", False), ("axes", True)])
def test_the_mean_of_each_axis_hides_where_a_person_is(mean, hidden):
    segments = people().flatten(-2)
    moved = segments + torch.tensor([40.0, 0]).repeat(17)
    model = KinematicsMLP(classes=3, mean=mean).eval()
    assert torch.allclose(model(segments), model(moved), atol=1e-3) == hidden


def test_a_missing_joint_keeps_its_offset_from_the_neck():
    joints = people(2)
    joints[0, 5:8, INDEX["left wrist"]] = 0
    chains, valid = filled(chains_of(joints))
    assert valid.all()
    offset = chains[:, :, 0, 3] - chains[:, :, 0, 0]
    for frame in (5, 6, 7):
        torch.testing.assert_close(offset[0, frame], offset[0, 4])
    torch.testing.assert_close(chains[1, :, :, 1:], chains_of(joints)[1])


def test_a_joint_not_yet_seen_is_where_it_comes_and_one_never_seen_on_the_neck():
    joints = people(1)
    joints[0, :3, INDEX["left wrist"]] = 0
    joints[0, :, INDEX["right ankle"]] = 0
    chains, _ = filled(chains_of(joints))
    neck = chains[0, :, 0, 0]
    torch.testing.assert_close(chains[0, 1, 0, 3] - neck[1], chains[0, 3, 0, 3] - neck[3])
    torch.testing.assert_close(chains[0, :, 3, 3], neck)


def test_one_shoulder_is_the_neck_where_the_other_is_missing():
    joints = people(1)
    joints[0, 4, INDEX["left shoulder"]] = 0
    chains, valid = filled(chains_of(joints))
    assert valid.all()
    torch.testing.assert_close(chains[0, 4, 0, 0], joints[0, 4, INDEX["right shoulder"]])


@pytest.mark.parametrize("pair", ["shoulder", "hip"])
def test_windows_without_a_neck_or_a_thigh_are_left_out(pair):
    joints = people(3)
    lost = [INDEX[f"{side} {pair}"] for side in ("left", "right")]
    joints[0, 10, lost] = 0
    joints[1, :, lost] = 0
    joints[2] = 0
    model = KinematicsMLP(classes=3)
    features, used = model._features(joints.flatten(-2))
    assert features.isfinite().all()
    assert (~used[0]).nonzero().flatten().tolist() == [8, 9, 10]
    # Nothing is left of these: they are used as they are.
    assert used[1:].all()
    chains, _ = filled(chains_of(joints))
    torch.testing.assert_close(chains[0, 10], chains[0, 9])


def test_a_body_folded_to_a_point_stays_finite_and_small():
    joints = people(1)
    joints[:, :, INDEX["left hip"]] = joints[:, :, INDEX["left shoulder"]]
    joints[:, :, INDEX["right hip"]] = joints[:, :, INDEX["right shoulder"]]
    features, _ = KinematicsMLP(classes=3, mean="axes")._features(joints.flatten(-2))
    assert features.abs().max() <= 10 * math.sqrt(2)


def test_the_components_are_those_of_all_windows_at_once():
    joints = people(40)
    joints[3, 7, :] = 0
    segments = joints.flatten(-2)
    model = KinematicsMLP(classes=3)
    model.adapt(iter(segments.split(16)))
    features, used = model._features(segments)
    rows = features[used].double().numpy()
    _, values, directions = np.linalg.svd(rows - rows.mean(0), full_matrices=False)
    assert np.allclose(model.centre, rows.mean(0), rtol=1e-4, atol=1e-5)
    found = (features[used] - model.centre).double() @ model.components.double()
    assert np.allclose(found.norm(dim=0), values[:51], rtol=1e-3, atol=1e-2)
    # The first ones, whose variances lie apart, up to their sign.
    assert np.allclose(np.abs(directions[:3] @ model.components.double().numpy())[:, :3], np.eye(3),
                       atol=1e-3)  # fmt: skip
    components = model.components
    torch.testing.assert_close(components.T @ components, torch.eye(51), rtol=0, atol=1e-5)
    assert (components.gather(0, components.abs().argmax(0, keepdim=True)) > 0).all()


def test_the_components_are_found_again_and_saved_with_the_weights():
    segments = people().flatten(-2)
    model, again = KinematicsMLP(classes=3), KinematicsMLP(classes=3)
    for _ in range(2):
        model.adapt([segments])
    again.adapt([segments])
    assert torch.equal(model.components, again.components)
    loaded = KinematicsMLP(classes=3)
    loaded.load_state_dict(model.state_dict())
    assert torch.equal(loaded(segments), model(segments))


def test_the_windows_that_are_used_are_averaged():
    joints = people(1)
    model = KinematicsMLP(classes=3).eval()
    whole = model.embed(joints.flatten(-2))
    parts = [model.embed(joints[:, i : i + 3].flatten(-2)) for i in range(22)]
    torch.testing.assert_close(whole, torch.stack(parts).mean(0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [({"frames": 25}, "kinematics needs segment_length >= frames; segment_length is 24, frames is"),
     ({"width": 33}, "width % 2 == 0; width is 33")],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(sizes, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        build_model({"model": "kinematics", "segment_length": 24, **sizes}, 3)
