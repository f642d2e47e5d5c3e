"""Azure Kinect as CSV: 32 joints, x, y and z in millimetres, without header and frame numbers."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from bptubeformer.data.formats import Beginning, Format, Poses, Unreadable
from bptubeformer.data.joints import AZURE_32
from bptubeformer.texts import shown

WIDTH = 3 * len(AZURE_32)


def recognises(file: Beginning) -> bool:
    """Return True for rows of 96 numbers, of which some are far from pixels and shares."""
    rows = [line.split(",") for line in file.lines[:5]]
    if not rows or any(len(row) != WIDTH for row in rows):
        return False
    try:
        return max(abs(float(cell)) for row in rows for cell in row) > 100
    except ValueError:
        return False


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one trial of one person."""
    (path,) = paths
    values = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = [float(cell) for cell in line.split(",")]
        except ValueError as error:
            raise Unreadable(f"{shown(path)}, row {number}: not numbers") from error
        if len(row) != WIDTH:
            raise Unreadable(f"{shown(path)}, row {number}: {len(row)} numbers; expected {WIDTH}")
        values.append(row)
    metres = np.array(values, dtype=np.float32).reshape(len(values), -1, 3) / 1000
    yield Poses(np.arange(len(values)), metres, AZURE_32, ["1"] * len(values))


FORMAT = Format(recognises=recognises, read=read, suffix=".csv")
