"""The skeleton as data: joints, body parts, their grids, the limbs and colours to draw them with.

A skeleton is a YAML file: those of ``skeletons/``, or one of the user's. Nothing else in the
package knows joints by number.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from math import isqrt
from pathlib import Path
from typing import Annotated, Any

import yaml

from bptubeformer.errors import InputError
from bptubeformer.kinds import Kind
from bptubeformer.sections import Section, accept, parsed_yaml
from bptubeformer.texts import shown

FOLDER = Path(__file__).with_name("skeletons")
SIDES = ("left ", "right ")
PADDINGS = ("constant", "replicate")
Grid = tuple[tuple[int, ...], ...]

Joint = Annotated[
    str,
    Kind("the name of a joint, of letters, digits and spaces", pattern=r"^[a-z0-9]+( [a-z0-9]+)*$",
         max_length=50),
]  # fmt: skip
Cell = Annotated[str | None, Kind("the name of a joint, or null", max_length=50)]
Row = Annotated[list[Cell], Kind("a list of joints", min_length=1, max_length=100)]
PartName = Annotated[
    str, Kind("the name of a body part, of small letters", pattern="^[a-z]+$", max_length=30)
]


class Part(Section):
    """A body part: its joints as rows of a grid, and the colour that it is drawn in."""

    expected = "a mapping with colour and grid"
    colour: Annotated[
        str,
        Kind("tab:blue or another colour of that kind, gold, or #rrggbb",
             pattern="^(tab:(blue|orange|green|red|purple|brown|pink|gray|olive|cyan)|gold|"
             "#[0-9a-fA-F]{6})$"),
    ]  # fmt: skip
    grid: Annotated[list[Row], Kind("a list of rows of joints", min_length=1, max_length=100)]


class Table(Section):
    """A skeleton as people write it: its joints by name."""

    expected = "a mapping with joints, parts and limbs"
    example = "skeletons/coco-17.yaml"
    joints: Annotated[
        list[Joint],
        Kind("a list of different joints, at most 200", min_length=1, max_length=200,
             different=True),
    ]  # fmt: skip
    parts: Annotated[
        dict[PartName, Part],
        Kind("a mapping of at most 20 body parts", min_length=1, max_length=20),
    ]
    limbs: Annotated[
        list[Annotated[list[Cell], Kind("two joints", min_length=2, max_length=2)]],
        Kind("a list of pairs of joints, at most 400", max_length=400),
    ]


@dataclass(frozen=True)
class Skeleton:
    """The joints of a person, in the order of the coordinates of a frame, and their body parts."""

    name: str
    joints: tuple[str, ...]
    parts: Mapping[str, Grid]
    """Grid of each body part, in the order of the body-part tokens (paper, section 2 and Fig. 4):
    joints by their index, ``no_joint`` for a cell without one."""
    colours: Mapping[str, str]
    """The colour of each part (paper, Fig. 4)."""
    limbs: tuple[tuple[int, ...], ...]
    """Pairs of joints to join by a line when a skeleton is drawn."""

    @classmethod
    def of(cls, source: str, table: Any, name: str | None = None) -> "Skeleton":
        """Return the skeleton that a table describes.

        Args:
            source: what it was read from, for messages.
            table: ``joints``, ``parts`` and ``limbs``, as in ``skeletons/coco-17.yaml``.
            name: of the skeleton; left out: that of the file.

        Raises:
            InputError: names the key that is wrong.
        """
        given = accept(Table, table, source)
        joints = given["joints"]
        index = {joint: number for number, joint in enumerate(joints)}
        index[None] = len(joints)
        places = []
        for part, entry in given["parts"].items():
            rows = entry["grid"]
            if len({len(row) for row in rows}) > 1:
                raise InputError(
                    f"{source}: parts.{part}.grid has rows of different lengths; fill them "
                    "up with null"
                )
            places += [(f"parts.{part}.grid", row) for row in rows]
        places += [("limbs", row) for row in given["limbs"]]
        for place, row in places:
            for joint in row:
                if joint not in index or (place == "limbs" and joint is None):
                    raise InputError(
                        f"{source}: {place} names {shown(str(joint))}, which is not one of the "
                        "joints"
                    )
        named = [joint for place, row in places if place != "limbs" for joint in row if joint]
        for joint in joints:
            if named.count(joint) != 1:
                raise InputError(
                    f"{source}: the joint {joint} is in {named.count(joint)} cells of the body "
                    "parts; expected one"
                )
        return cls(
            name=Path(source).stem if name is None else name,
            joints=tuple(joints),
            parts={
                part: tuple(tuple(index[joint] for joint in row) for row in entry["grid"])
                for part, entry in given["parts"].items()
            },
            colours={part: entry["colour"] for part, entry in given["parts"].items()},
            limbs=tuple(tuple(index[joint] for joint in pair) for pair in given["limbs"]),
        )

    @property
    def table(self) -> dict[str, Any]:
        """The skeleton as people write it."""
        names = [*self.joints, None]
        return {
            "joints": list(self.joints),
            "parts": {
                part: {"colour": self.colours[part],
                       "grid": [[names[joint] for joint in row] for row in grid]}
                for part, grid in self.parts.items()
            },
            "limbs": [[names[joint] for joint in pair] for pair in self.limbs],
        }  # fmt: skip

    @property
    def metadata(self) -> dict[str, Any]:
        """Name and table, as ``read_skeleton`` reads them in the metadata of a file."""
        return {"name": self.name, **self.table}

    @property
    def values(self) -> int:
        """Coordinates of a frame: x0, y0, x1, y1, ..., in pixels; V."""
        return 2 * len(self.joints)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of a trajectory's CSV file, one row a frame, without a header."""
        coordinates = (f"{axis}{joint}" for joint in range(len(self.joints)) for axis in "xy")
        return "frame", *coordinates

    @property
    def no_joint(self) -> int:
        """Index of a cell without a joint, which holds 0."""
        return len(self.joints)

    @property
    def part_side(self) -> int:
        """Rows, and columns, of the square to which all parts are padded: the largest sets it."""
        return max(len(row) for grid in self.parts.values() for row in (grid, *grid))

    @property
    def side(self) -> int:
        """Rows, and columns, of the smallest square that takes all joints."""
        return isqrt(len(self.joints) - 1) + 1

    @cached_property
    def members(self) -> dict[str, list[int]]:
        """Joints of each part, row by row."""
        return {
            part: [joint for row in grid for joint in row if joint != self.no_joint]
            for part, grid in self.parts.items()
        }

    @cached_property
    def places_of_part(self) -> dict[str, list[list[int]]]:
        """Joints of each part that lie together: left and right apart where all have a side."""
        sides = {
            part: [[j for j in joints if self.joints[j].startswith(side)] for side in SIDES]
            for part, joints in self.members.items()
        }
        return {
            part: apart if sum(map(len, apart)) == len(self.members[part]) else [self.members[part]]
            for part, apart in sides.items()
        }

    @cached_property
    def pairs(self) -> list[tuple[int, int]]:
        """Joints that the names call the left and the right one of two."""
        index = {joint: number for number, joint in enumerate(self.joints)}
        return [
            (number, index[other])
            for joint, number in index.items()
            if (other := re.sub("^left ", "right ", joint)) != joint and other in index
        ]

    def whole_grid(self) -> list[list[int]]:
        """Joint index of every cell of the one grid of all joints, row by row.

        Returns:
            whole numbers (``side``, ``side``); ``no_joint`` where the cell holds 0.
        """
        cells = [min(cell, self.no_joint) for cell in range(self.side**2)]
        return [cells[first : first + self.side] for first in range(0, len(cells), self.side)]

    def part_grids(self, padding: str) -> list[list[list[int]]]:
        """Joint index of every cell of every part, padded to the square of the largest part.

        A smaller grid is centred by rows, with the odd row above, and stands at the right edge by
        columns: in a 3 x 3 square, a 1 x 2 part takes one row above, one below and one column on
        the left. The paper gives the number of rows and columns to pad (section 2), not the side;
        see docs/fidelity.md.

        Args:
            padding: ``constant`` (padded cells hold 0, the default of the paper) or ``replicate``
                (they hold what the nearest cell of the part holds; Experiment "padding").

        Returns:
            whole numbers (P, ``part_side``, ``part_side``); ``no_joint`` where the cell holds 0.
        """
        if padding not in PADDINGS:
            raise ValueError(f"padding {padding!r} is not one of {', '.join(PADDINGS)}")
        side = self.part_side

        def cell(grid: Grid, row: int, column: int) -> int:
            row -= (side - len(grid) + 1) // 2
            column -= side - len(grid[0])
            nearest_row = min(max(row, 0), len(grid) - 1)
            nearest_column = max(column, 0)
            if padding == "constant" and (row, column) != (nearest_row, nearest_column):
                return self.no_joint
            return grid[nearest_row][nearest_column]

        return [
            [[cell(grid, row, column) for column in range(side)] for row in range(side)]
            for grid in self.parts.values()
        ]


def known_skeletons() -> list[str]:
    """Names of the skeletons of ``skeletons/``."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def load_skeleton(given: str) -> Skeleton:
    """Return a skeleton.

    Args:
        given: one of ``known_skeletons()``, or the path of a YAML file.

    Raises:
        InputError: it does not exist, or is not the description of a skeleton.
    """
    path = FOLDER / f"{given}.yaml"
    known = "/" not in given and path.is_file()
    path = path if known else Path(given)
    if not known and path.suffix not in (".yaml", ".yml"):
        raise InputError(
            f"{shown(given)}: no such skeleton; one of {', '.join(known_skeletons())}, or a YAML "
            "file with joints, parts and limbs"
        )
    try:
        return _read(given if known else shown(path), path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = getattr(error, "strerror", None) or "not YAML in UTF-8"
        raise InputError(
            f"{shown(path)}: not a skeleton ({reason}); expected a YAML file with joints, parts "
            "and limbs"
        ) from error


@cache
def _read(name: str, text: str) -> Skeleton:
    return Skeleton.of(name, parsed_yaml(text))


def read_skeleton(about: Any) -> Skeleton:
    """Return the skeleton that the metadata of a file hold: its table, with its name.

    Raises:
        ValueError: it is not valid.
    """
    try:
        table = {key: value for key, value in about.items() if key != "name"}
        return Skeleton.of(str(about["name"]), table, str(about["name"]))
    except (InputError, AttributeError, KeyError) as error:
        raise ValueError(f"its skeleton is not valid ({error})") from error


COCO_17 = load_skeleton("coco-17")
"""The paper's: the 17 COCO keypoints."""
CocoSkeleton = Skeleton
"""The type of a model's skeleton where it knows the joints of COCO by name."""
