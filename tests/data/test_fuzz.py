"""100,000 broken files: each is a trajectory or is rejected with a reason, and nothing else.

Outside the quick suite (minutes): ``uv run pytest -m fuzz``.
"""

import csv
import io
import random
import signal

import numpy as np
import pytest

from bptubeformer.data.reader import Rejected, read_trajectories_of, read_trajectory
from conftest import trajectory_rows

FILES = 100_000
TOGETHER = 25
"""Files that are also read as one batch."""
LONGEST_S = 1500
NO_PLAIN_CSV = "the file is not plain UTF-8 CSV"

TOKENS = [
    b"", b"nan", b"NaN", b"inf", b"-inf", b"Infinity", b"1e300", b"-1e39", b"1e-400", b"1000001",
    b"0x10", b"1_000", b"1.5", b"-1", b"+3", b" 2", b"3 ", b".5", b"5.", b"1e2", b"--1", b"1,5",
    b"abc", b"frame", b"None", b"true", b"\xef\xbc\x91", b"2147483648", b"-2147483649", b"9" * 400,
    b'"1"', b'"1', b"'1'", b"\x00", b"\xff", b"\xef\xbb\xbf", b"=1+1", b"#", b"\x1a", b"\\N",
]  # fmt: skip
JOINTS = [b",", b";", b"\t", b" ", b"|", b",,", b", ", b"\n", b"\r\n", b"\r", b"\n\n", b'"',
          b"\x0b", b"\x0c", b"\x85", b"\xe2\x80\xa8"]  # fmt: skip


def sound(pick):
    """A sound trajectory of a few rows, with or without what is allowed besides."""
    rows = trajectory_rows(pick.randint(1, 6), first=pick.randint(0, 99))
    digits = pick.choice(["{!r}", "{:.2f}", "{:.0f}"])
    lines = [",".join([str(row[0]), *(digits.format(value) for value in row[1:])]) for row in rows]
    if pick.random() < 0.2:
        pick.shuffle(lines)
    end = pick.choice(["\n", "\n", "\n", "\r\n", "\r"])
    return (end.join(lines) + pick.choice([end, end, ""])).encode()


def broken(content, pick):
    """The content with one to four faults."""
    for _ in range(pick.choice([1, 1, 1, 2, 4])):
        kind, at = pick.randrange(11), pick.randrange(len(content) + 1)
        to = min(len(content), at + pick.randint(1, 40))
        lines = content.split(b"\n")
        if kind == 0:
            content = content[:at] + bytes([pick.randrange(256)]) + content[at + 1 :]
        elif kind == 1:
            content = content[:at] + content[to:]
        elif kind == 2:
            content = content[:at] + pick.choice(TOKENS) + content[at:]
        elif kind == 3:
            cells = content.split(b",")
            cells[pick.randrange(len(cells))] = pick.choice(TOKENS)
            content = b",".join(cells)
        elif kind == 4:
            content = content.replace(b",", pick.choice(JOINTS), pick.choice([1, -1]))
        elif kind == 5:
            content = content.replace(b"\n", pick.choice(JOINTS), pick.choice([1, -1]))
        elif kind == 6:
            lines.insert(pick.randrange(len(lines) + 1), pick.choice(lines))
            content = b"\n".join(lines)
        elif kind == 7:
            lines.insert(pick.randrange(len(lines) + 1), pick.choice(TOKENS))
            content = b"\n".join(lines)
        elif kind == 8:
            content = content[at:to] * pick.randint(0, 3) + content
        elif kind == 9:
            coding = pick.choice(["utf-16", "utf-16-be", "utf-32", "utf-8-sig"])
            content = content.decode("latin-1").encode(coding)
        else:
            content = content[:at]
    return content


def plainly(content):
    """Read the file with Python alone; return None where it is not a trajectory."""
    numbers = {}
    try:
        text = content.decode("utf-8-sig")
        for cells in csv.reader(io.StringIO(text, newline=None)):
            if cells:
                if not all(cell.isascii() and "_" not in cell for cell in cells):
                    return None
                frame, *values = map(float, cells)
                for i in range(0, len(values) - 1, 2):
                    if all(v != v or v == -1 for v in values[i : i + 2]):
                        values[i : i + 2] = 0.0, 0.0
                fits = len(values) == 34 and all(abs(value) <= 1e6 for value in values)
                if not fits or frame != int(frame) or abs(frame) > 2**31 - 1 or frame in numbers:
                    return None
                numbers[frame] = values
    except (ValueError, OverflowError, csv.Error):
        return None
    frames = sorted(numbers)
    return (frames, [numbers[frame] for frame in frames]) if frames else None


def read(path):
    """A trajectory, or why the file is none."""
    try:
        return read_trajectory(path)
    except Rejected as rejected:
        return rejected


def check(content, found):
    expected = plainly(content)
    if isinstance(found, Rejected):
        assert str(found).isprintable()
        assert len(str(found)) < 400
        assert len(found.reason.split("; ")) > 1, "what was expected, or what to do, is missing"
        # Numbers that only Python reads as such are no plain ones.
        assert expected is None or NO_PLAIN_CSV in found.reason
    else:
        number, frames = found
        assert expected is not None
        assert number.tolist() == expected[0]
        # A double rounded to a float, or the digits read as a float: one step apart at most.
        assert np.allclose(frames, np.array(expected[1]), rtol=2e-7, atol=1e-37)


def out_of_time(number, frame):
    raise AssertionError(f"{FILES} files took more than {LONGEST_S} s")


@pytest.mark.fuzz
def test_a_broken_file_is_a_trajectory_or_is_rejected_with_a_reason(tmp_path):
    pick = random.Random(0)
    signal.signal(signal.SIGALRM, out_of_time)
    signal.alarm(LONGEST_S)
    outcomes = {"read": 0, "rejected": 0}
    for _ in range(FILES // TOGETHER):
        paths, alone = [], []
        for number in range(TOGETHER):
            path = tmp_path / f"{number}.csv"
            content = sound(pick)
            content = broken(content, pick) if pick.random() < 0.95 else content
            path.write_bytes(content)
            found = read(path)
            try:
                check(content, found)
            except AssertionError as error:
                raise AssertionError(f"{content!r}: {found}") from error
            outcomes["rejected" if isinstance(found, Rejected) else "read"] += 1
            paths.append(path)
            alone.append(found)
        # Most batches hold a broken file; every other one is of those that are not.
        if pick.random() < 0.5:
            paths = [p for p, f in zip(paths, alone, strict=True) if not isinstance(f, Rejected)]
            alone = [f for f in alone if not isinstance(f, Rejected)]
        batch = read_trajectories_of(paths)
        read_ones = [f for f in alone if not isinstance(f, Rejected)]
        assert list(map(str, batch.rejected)) == [str(f) for f in alone if isinstance(f, Rejected)]
        assert batch.rows.tolist() == [0 if isinstance(f, Rejected) else len(f[0]) for f in alone]
        if read_ones:
            assert np.array_equal(batch.number, np.concatenate([f[0] for f in read_ones]))
            assert np.array_equal(batch.frames, np.concatenate([f[1] for f in read_ones]))
    signal.alarm(0)
    assert min(outcomes.values()) > FILES // 10, outcomes
    print(outcomes)
