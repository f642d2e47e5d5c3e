"""The skeleton as data: joints, body parts, their grids, the limbs and colours to draw them with.

Another skeleton would be another set of tables here, not another code path elsewhere.
"""

from math import isqrt

JOINTS = (
    "nose",
    "left eye",
    "right eye",
    "left ear",
    "right ear",
    "left shoulder",
    "right shoulder",
    "left elbow",
    "right elbow",
    "left wrist",
    "right wrist",
    "left hip",
    "right hip",
    "left knee",
    "right knee",
    "left ankle",
    "right ankle",
)
"""The 17 COCO keypoints, in the order of the coordinates of a frame (paper, section 3)."""

VALUES = 2 * len(JOINTS)
"""Coordinates a frame: x0, y0, ..., x16, y16, in pixels."""

COLUMNS = ("frame", *(f"{axis}{joint}" for joint in range(len(JOINTS)) for axis in "xy"))
"""Columns of a trajectory's CSV file, one row a frame, without a header."""

PARTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "torso": ((0, 1, 2), (3, 4, 5), (6, 11, 12)),
    "elbows": ((7, 8),),
    "wrists": ((9, 10),),
    "knees": ((13, 14),),
    "ankles": ((15, 16),),
}
"""The five body parts as grids of joints, in the order of the body-part tokens (paper, section 2
and Fig. 4). The row-major order of the torso is not stated; see docs/fidelity.md."""

PART_COLOURS = {
    "torso": "tab:blue",
    "elbows": "tab:green",
    "wrists": "tab:red",
    "knees": "tab:purple",
    "ankles": "gold",
}
"""The colour of each part's blob (paper, Fig. 4)."""

LIMBS = (
    (0, 1),
    (0, 2),
    (1, 3),
    (2, 4),
    (3, 5),
    (4, 6),
    (5, 6),
    (5, 7),
    (7, 9),
    (6, 8),
    (8, 10),
    (5, 11),
    (6, 12),
    (11, 12),
    (11, 13),
    (13, 15),
    (12, 14),
    (14, 16),
)
"""Pairs of joints to join by a line when a skeleton is drawn."""

GRID_SHAPE = (
    max(len(grid) for grid in PARTS.values()),
    max(len(row) for grid in PARTS.values() for row in grid),
)
"""Rows and columns of the largest part, the standard to which the others are padded: (3, 3)."""

SKELETON_GRID = (isqrt(len(JOINTS) - 1) + 1,) * 2
"""Rows and columns of the smallest square that takes all joints: (5, 5)."""

NO_JOINT = len(JOINTS)
"""Index of a padded cell, which holds 0."""

PADDINGS = ("constant", "replicate")


def skeleton_grid() -> list[list[int]]:
    """Joint index of every cell of the one grid of all joints, row by row.

    Returns:
        whole numbers (5, 5); ``NO_JOINT`` where the cell holds 0.
    """
    rows, columns = SKELETON_GRID
    cells = [min(cell, NO_JOINT) for cell in range(rows * columns)]
    return [cells[row * columns : (row + 1) * columns] for row in range(rows)]


def part_grids(padding: str) -> list[list[list[int]]]:
    """Joint index of every cell of every part, padded to the largest part.

    A smaller grid is centred by rows and stands at the right edge by columns: a 1 x 2 part takes
    one row above, one below and one column on the left. The paper gives the number of rows and
    columns to pad (section 2), not the side; see docs/fidelity.md.

    Args:
        padding: ``constant`` (padded cells hold 0, the default of the paper) or ``replicate``
            (they hold the nearest joint of the part; Experiment "padding").

    Returns:
        whole numbers (5, 3, 3); ``NO_JOINT`` where the cell holds 0.
    """
    if padding not in PADDINGS:
        raise ValueError(f"padding {padding!r} is not one of {', '.join(PADDINGS)}")
    rows, columns = GRID_SHAPE

    def cell(grid: tuple[tuple[int, ...], ...], row: int, column: int) -> int:
        row -= (rows - len(grid)) // 2
        column -= columns - len(grid[0])
        nearest_row = min(max(row, 0), len(grid) - 1)
        nearest_column = max(column, 0)
        if padding == "constant" and (row, column) != (nearest_row, nearest_column):
            return NO_JOINT
        return grid[nearest_row][nearest_column]

    return [
        [[cell(grid, row, column) for column in range(columns)] for row in range(rows)]
        for grid in PARTS.values()
    ]
