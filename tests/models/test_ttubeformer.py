import torch

from bptubeformer.evaluation.complexity import complexity
from bptubeformer.models.tubelets import SkeletonGrid
from bptubeformer.skeleton import SKELETON_GRID


def test_all_joints_stand_in_a_grid_of_five_by_five_row_by_row():
    assert SKELETON_GRID == (5, 5)
    segments = torch.arange(2 * 3 * 34.0).reshape(2, 3, 34)
    grid = SkeletonGrid()(segments)
    assert grid.shape == (2, 2, 3, 5, 5)
    for joint in range(17):
        row, column = divmod(joint, 5)
        assert torch.equal(
            grid[:, :, :, row, column], segments[..., 2 * joint : 2 * joint + 2].permute(0, 2, 1)
        )
    assert grid[..., 3, 2:].eq(0).all()
    assert grid[..., 4, :].eq(0).all()


def test_sixteen_tubelets_and_a_class_token_of_width_256():
    counted = complexity({"model": "ttubeformer", "segment_length": 24}, 13, 1)
    (row,) = counted.transformers.to_dict("records")
    assert row == {
        "transformer": "transformer", "tokens": 17, "class_token": True, "width": 256, "heads": 8,
        "depth": 4,
    }  # fmt: skip
    tokeniser = counted.stages.set_index("stage").loc["tokeniser"]
    # 16 tubelets of 5 x 2 x 2 cells of x and y
    assert (tokeniser["modules"], tokeniser["macs_thop"]) == ("1 Conv3d", 16 * 256 * 40)
