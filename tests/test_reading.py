import os

import pytest

from bptubeformer.errors import InputError
from bptubeformer.reading import reading


def test_whatever_a_library_raises_becomes_one_line(tmp_path):
    for error in (
        OSError("a\nb"),
        KeyError("x"),
        RuntimeError("\0"),
        IndexError(),
        EOFError("end"),
    ):
        with (
            pytest.raises(InputError) as refusal,
            reading(tmp_path / "x\ny", "a table", "make table"),
        ):
            raise error
        message = str(refusal.value)
        assert message.startswith(f"{tmp_path}/x\\ny: not a table (")
        assert message.endswith("; write it with: make table")
        assert message.isprintable()


def test_a_refusal_passes_as_it_is_and_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"^own words$"), reading(tmp_path, "x", "y"):
        raise InputError("own words")
    with (
        pytest.raises(InputError, match="none: no such file; write it with: y"),
        reading(tmp_path / "none", "x", "y"),
    ):
        (tmp_path / "none").read_text()


def test_who_reads_a_pipe_does_not_wait_for_ever(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    with (
        pytest.raises(InputError, match=r"pipe\.csv: a pipe, socket or device; expected a table"),
        reading(tmp_path / "pipe.csv", "a table", "y"),
    ):
        (tmp_path / "pipe.csv").read_text()
