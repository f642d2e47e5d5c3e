import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bptubeformer.models import available, build_model, hyperparameters
from bptubeformer.models.coordinates import normalised
from bptubeformer.models.m12 import boxes_and_joints


def people(frames=5, seed=0):
    """Two segments; in each frame some joints are missing."""
    random = torch.Generator().manual_seed(seed)
    joints = 50 + 100 * torch.rand(2, frames, 17, 2, generator=random)
    missing = torch.rand(2, frames, 17, 1, generator=random) < 0.2
    return joints.masked_fill(missing, 0).flatten(-2)


def test_pixels_stay_as_they_are():
    segments = people()
    assert normalised(segments, "pixels") is segments


def test_the_frame_is_the_unit_of_its_width_and_height():
    segments = torch.tensor([[[0.0, 0.0, 320.0, 120.0, 80.0, 240.0]]])
    expected = torch.tensor([[[0.0, 0.0, 1.0, 0.5, 0.25, 1.0]]])
    assert torch.equal(normalised(segments, "frame", [320, 240]), expected)


def test_the_size_of_the_frame_must_be_known():
    with pytest.raises(ValueError, match=r"need image_size; give dataset\.image_size"):
        normalised(people(), "frame")


def test_the_box_is_that_of_the_whole_segment_and_keeps_proportions():
    """Two joints 40 px apart in x and 10 in y; later both are 60 px to the right."""
    segments = torch.tensor([[[10.0, 10.0, 50.0, 20.0], [70.0, 10.0, 110.0, 20.0]]])
    expected = torch.tensor([[[-0.5, -0.05, -0.1, 0.05], [0.1, -0.05, 0.5, 0.05]]])
    torch.testing.assert_close(normalised(segments, "box"), expected)


@given(
    seed=st.integers(0, 99),
    scale=st.floats(0.1, 10),
    dx=st.floats(-40, 1000),
    dy=st.floats(-40, 1000),
)
def test_the_box_does_not_depend_on_place_and_size(seed, scale, dx, dy):
    segments = people(seed=seed)
    there = segments.unflatten(-1, (-1, 2)) != 0
    moved = segments.unflatten(-1, (-1, 2)) * scale + torch.tensor([dx, dy])
    moved = (moved * there.any(-1, keepdim=True)).flatten(-2)
    here, elsewhere = normalised(segments, "box"), normalised(moved, "box")
    torch.testing.assert_close(here, elsewhere, rtol=1e-3, atol=1e-3)
    assert here.abs().max() <= 0.5 + 1e-6


@pytest.mark.parametrize("coordinates", ["frame", "box"])
def test_missing_joints_stay_missing(coordinates):
    segments = people()
    missing = segments == 0
    assert (normalised(segments, coordinates, [320, 240])[missing] == 0).all()


@pytest.mark.parametrize("segments", [torch.zeros(2, 3, 34), torch.zeros(2, 3, 34) + 7.0])
def test_a_box_without_extent_gives_zeros(segments):
    assert torch.equal(normalised(segments, "box"), torch.zeros(2, 3, 34))


@pytest.mark.slow
@pytest.mark.parametrize("model", available())
@pytest.mark.parametrize("coordinates", ["frame", "box"])
def test_every_model_is_given_the_coordinates_of_its_run(model, coordinates):
    segments, run = people(24), {"model": model, "segment_length": 24}
    if "depth" in hyperparameters(model):
        run["depth"] = 1

    def built(**more):
        torch.manual_seed(0)
        made = build_model({**run, **more}, 3).eval()
        made.adapt([segments])
        return made

    found = built(coordinates=coordinates, image_size=[320, 240])
    plain = build_model(run, 3).eval()
    plain.load_state_dict(found.state_dict())
    with torch.inference_mode():
        expected = plain(normalised(segments, coordinates, [320, 240]))
        assert torch.equal(found(segments), expected)
        assert not torch.equal(plain(segments), expected)


def test_the_scale_of_the_training_data_is_that_of_the_coordinates():
    model = build_model({"model": "m12", "segment_length": 5, "coordinates": "frame",
                         "image_size": [10, 10]}, 3)  # fmt: skip
    model.adapt([people()])
    assert 13 < model.extent.min() < model.extent.max() <= 15


def test_a_body_within_a_box_has_a_pose_of_its_own():
    """M1.2 reads the pose in units of the box of a frame, whatever the coordinates."""
    segments = people()
    _, in_pixels = boxes_and_joints(segments)
    _, in_box = boxes_and_joints(normalised(segments, "box"))
    torch.testing.assert_close(in_pixels, in_box, rtol=1e-3, atol=1e-4)
