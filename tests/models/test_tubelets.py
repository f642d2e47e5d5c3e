import numpy as np
import pytest
import torch
import torch.nn.functional as F

from bptubeformer.models.layers import initialise
from bptubeformer.models.tubelets import TubeletConvolution, TubeletEmbedding, tubelet_values
from bptubeformer.skeleton import COCO_17


def convolution(padding="constant", length=24, kernel=(2, 3, 3), stride=(2, 3, 3), width=8):
    layer = TubeletConvolution(
        COCO_17, COCO_17.part_grids(padding), length, kernel=kernel, stride=stride, width=width
    )
    initialise(layer, torch.nn.Linear(1, 1))
    return layer


def grids_by_reshape_and_pad(segments, padding):
    """The paper's two steps, one part at a time: reshape to a matrix, then pad it."""
    joints = segments.unflatten(-1, (17, 2)).permute(0, 3, 1, 2)
    for grid in COCO_17.parts.values():
        cells = torch.tensor(grid)
        part = joints[..., cells.flatten()].unflatten(-1, cells.shape)
        yield F.pad(part, (1, 0, 1, 1, 0, 0), mode=padding) if len(grid) == 1 else part


@pytest.mark.parametrize("padding", ["constant", "replicate"])
@pytest.mark.parametrize(
    ("kernel", "stride"),
    [((2, 3, 3), (2, 3, 3)), ((5, 3, 3), (3, 3, 3)), ((2, 2, 2), (2, 1, 1)),
     ((2, 2, 2), (1, 1, 1)), ((3, 1, 2), (2, 2, 1))],
)  # fmt: skip
def test_it_is_a_3d_convolution_over_each_padded_part(padding, kernel, stride):
    layer = convolution(padding, 13, kernel, stride)
    segments = torch.rand(4, 13, 34)
    tokens = layer(segments)
    for i, grid in enumerate(grids_by_reshape_and_pad(segments, padding)):
        assert grid.shape == (4, 2, 13, 3, 3)
        expected = F.conv3d(grid, layer.weight[i], layer.bias[i], stride)
        assert layer.shape == tuple(expected.shape[2:])
        torch.testing.assert_close(tokens[i], expected.flatten(2).transpose(1, 2))


def test_one_grid_of_all_joints_is_convolved_the_same_way():
    layer = TubeletConvolution(
        COCO_17, [COCO_17.whole_grid()], 24, kernel=(5, 2, 2), stride=(5, 2, 2), width=8
    )
    initialise(layer, torch.nn.Linear(1, 1))
    segments = torch.rand(3, 24, 34)
    cells = F.pad(segments, (0, 16)).unflatten(-1, (5, 5, 2)).permute(0, 4, 1, 2, 3)
    expected = F.conv3d(cells, layer.weight[0], layer.bias[0], (5, 2, 2))
    torch.testing.assert_close(layer(segments)[0], expected.flatten(2).transpose(1, 2))


def test_missing_joints_stay_zero_and_padding_is_no_parameter():
    layer = convolution()
    tokens = layer(torch.zeros(1, 24, 34))
    torch.testing.assert_close(tokens, layer.bias[:, None, None].expand_as(tokens))
    assert set(layer.state_dict()) == {"weight", "bias"}


def test_values_of_a_tubelet_stand_in_the_order_of_the_weights():
    values = tubelet_values(COCO_17, COCO_17.part_grids("constant"), 24, (2, 3, 3), (2, 3, 3))
    assert values.shape == (5, 12, 36)
    assert values.max() == 24 * 34  # a padded cell
    torso = values[0, 3].reshape(2, 2, 3, 3)
    assert torso[0, 0, 0].tolist() == [6 * 34, 6 * 34 + 2, 6 * 34 + 4]  # x of nose and eyes
    assert torso[1, 1, 2].tolist() == [7 * 34 + 13, 7 * 34 + 23, 7 * 34 + 25]  # y, next frame


def test_a_tubelet_sees_its_own_frames_only():
    embedding = TubeletEmbedding(convolution())
    embedding.positions.data.zero_()
    segment = torch.rand(1, 24, 34)
    before = embedding(segment)
    segment[:, 4:6] += 1
    changed = (embedding(segment) != before).any(dim=-1)[:, 0]
    assert [np.flatnonzero(part).tolist() for part in changed] == [[2]] * 5


def test_every_tubelet_has_a_position_of_its_own():
    embedding = TubeletEmbedding(convolution())
    embedding.positions.data = torch.rand(5, 12, 8)
    segments = torch.rand(2, 24, 34)
    expected = embedding.convolution(segments) + embedding.positions[:, None]
    assert torch.equal(embedding(segments), expected)
