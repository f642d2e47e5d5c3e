import pytest
import torch
import torch.nn.functional as F

from bptubeformer.models.tubelets import BodyPartGrids, TubeletEmbedding
from bptubeformer.skeleton import PARTS


@pytest.mark.parametrize("padding", ["constant", "replicate"])
def test_grids_are_those_of_reshape_and_pad(padding):
    """The paper's two steps, one part at a time: reshape to a matrix, then pad it."""
    segments = torch.rand(4, 7, 34)
    grids = BodyPartGrids(padding)(segments)
    assert grids.shape == (4, 5, 2, 7, 3, 3)
    joints = segments.reshape(4, 7, 17, 2).permute(0, 3, 1, 2)
    for index, grid in enumerate(PARTS.values()):
        rows, columns = len(grid), len(grid[0])
        cells = torch.tensor(grid).flatten()
        part = joints[..., cells].reshape(4, 2, 7, rows, columns)
        if rows == 1:
            part = F.pad(part, (1, 0, 1, 1, 0, 0), mode=padding)
        assert torch.equal(grids[:, index], part)


def test_missing_joints_stay_zero_and_padding_is_no_parameter():
    grids = BodyPartGrids("constant")
    assert not grids(torch.zeros(1, 2, 34)).any()
    assert not list(grids.parameters())
    assert not grids.state_dict()


def test_tubelets_stand_in_the_order_of_time_rows_columns():
    embedding = TubeletEmbedding(6, kernel=(2, 2, 2), stride=(2, 1, 1), width=8)
    grid = torch.rand(1, 2, 6, 3, 3)
    tokens = embedding(grid)
    assert tokens.shape == (1, 3 * 2 * 2, 8)
    alone = F.conv3d(grid[:, :, 2:4, 0:2, 1:3], embedding.convolution.weight)
    expected = alone.flatten() + embedding.convolution.bias + embedding.positions[4 + 1]
    torch.testing.assert_close(tokens[0, 4 + 1], expected)


def test_a_tubelet_sees_its_own_frames_only():
    embedding = TubeletEmbedding(24, kernel=(2, 3, 3), stride=(2, 3, 3), width=8)
    grid = torch.rand(1, 2, 24, 3, 3)
    before = embedding(grid)
    grid[:, :, 4:6] += 1
    changed = (embedding(grid) != before).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == [2]
