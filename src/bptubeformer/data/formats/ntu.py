"""NTU RGB+D, ``SsssCcccPpppRrrrAaaa.skeleton``: people by frame, colour pixels, the class in A."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from bptubeformer.data.formats import Beginning, Format, Poses, Rows, Unreadable
from bptubeformer.skeleton import load_skeleton
from bptubeformer.texts import shown

BODY, JOINTS, JOINT = 10, 25, 12
"""Numbers of the line of a body, joints of a body, numbers of a joint."""
COLOUR = slice(5, 7)
TRACKED = 11
NAME = re.compile(r"S\d+C\d+P\d+R\d+(A\d+).*", re.IGNORECASE)


def recognises(file: Beginning) -> bool:
    """Return True for the number of frames, then that of bodies, alone in their lines."""
    return len(file.lines) > 1 and all(line.strip().isdigit() for line in file.lines[:2])


def read(paths: Sequence[Path]) -> Iterator[Poses]:
    """Read one sample."""
    (path,) = paths
    lines = path.read_text(encoding="utf-8").splitlines()
    rows, place = Rows(path), 0

    def following(count: int) -> list[str]:
        nonlocal place
        place += 1
        cells = lines[place - 1].split() if place <= len(lines) else []
        if len(cells) != count:
            raise Unreadable(
                f"{shown(path)}, row {place}: {len(cells)} numbers; expected {count}; the file is "
                "cut short or not of NTU RGB+D"
            )
        return cells

    try:
        for frame in range(int(following(1)[0])):
            for _ in range(int(following(1)[0])):
                person = following(BODY)[0]
                if int(following(1)[0]) != JOINTS:
                    raise Unreadable(f"{shown(path)}, row {place}: expected {JOINTS} joints")
                joints = [following(JOINT) for _ in range(JOINTS)]
                numbers = [
                    float("nan") if joint[TRACKED] == "0" else float(value)
                    for joint in joints
                    for value in joint[COLOUR]
                ]
                rows.add(frame, person, numbers, 2)
    except ValueError as error:
        raise Unreadable(f"{shown(path)}, row {place}: not a number") from error
    named = NAME.fullmatch(path.stem)
    ntu = load_skeleton("ntu-25").joints
    yield rows.poses(lambda count: ntu, label=named[1].upper() if named else None)


FORMAT = Format(recognises=recognises, read=read, suffix=".skeleton")
