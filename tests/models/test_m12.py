import pytest
import torch

from bptubeformer.models.m12 import M12, boxes_and_joints


def frame(joints):
    """A segment of one frame with these joints (number, x, y), all others missing."""
    segment = torch.zeros(1, 1, 34)
    for joint, x, y in joints:
        segment[0, 0, 2 * joint : 2 * joint + 2] = torch.tensor([x, y])
    return segment


def test_place_and_posture_of_a_frame():
    boxes, joints = boxes_and_joints(frame([(0, 10.0, 20.0), (5, 30.0, 60.0)]))
    assert boxes[0, 0].tolist() == [20, 40, 20, 40]
    assert joints[0, 0, :2].tolist() == [-0.5, -0.5]
    assert joints[0, 0, 10:12].tolist() == [0.5, 0.5]
    assert joints[0, 0].count_nonzero() == 4


@pytest.mark.parametrize("joints", [[], [(3, 7.0, 9.0)]])
def test_nobody_and_one_joint_are_finite(joints):
    boxes, within = boxes_and_joints(frame(joints))
    assert boxes[0, 0, 2:].tolist() == [0, 0]
    assert (within == 0).all()


def test_posture_does_not_depend_on_place():
    segments = 50 + 100 * torch.rand(2, 5, 34, generator=torch.Generator().manual_seed(0))
    _, here = boxes_and_joints(segments)
    boxes, there = boxes_and_joints(segments + 30)
    torch.testing.assert_close(here, there)
    assert (boxes[..., 2:] > 0).all()


def test_the_unit_of_the_boxes_comes_from_the_training_data():
    model = M12(classes=3, segment_length=2)
    batches = [torch.zeros(2, 2, 34), frame([(3, 300.0, 9.0)]), frame([(4, 7.0, 200.0)])]
    model.adapt(iter(batches))
    assert model.extent.tolist() == [300, 200]
    twice = M12(classes=3, segment_length=2)
    twice.load_state_dict(model.state_dict())
    assert torch.equal(twice.extent, model.extent)


def test_the_encoders_exchange_messages():
    """A change of the first frame's posture reaches the state of the place, a step later."""
    torch.manual_seed(0)
    model = M12(classes=3, segment_length=3, global_width=4, local_width=6).eval()
    segments = 50 + 100 * torch.rand(1, 3, 34, generator=torch.Generator().manual_seed(0))
    changed = segments.clone()
    # A joint within the box moves: the box, and so the input of the place, stays as it is.
    inner = boxes_and_joints(segments)[1][0, 0].unflatten(0, (17, 2)).abs().amax(1).argmin().item()
    changed[0, 0, 2 * inner] += 1
    assert torch.equal(boxes_and_joints(segments)[0], boxes_and_joints(changed)[0])
    assert not torch.equal(model.embed(segments)[:, :4], model.embed(changed)[:, :4])
