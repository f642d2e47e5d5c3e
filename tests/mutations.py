"""Every field of a received file in turn, with a value of every other kind."""

import copy
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet
from safetensors import safe_open
from safetensors.torch import save_file

from bptubeformer.metadata import ENTRY

SECONDS = 10
"""No mutation may take longer."""
DEEP: Any = []
for _ in range(400):
    DEEP = [DEEP]
OTHERS = (
    None, True, -1, 0, 3, 2.5, 10**30, float("nan"), float("inf"), "", "3", "1e3", "x", "a\nb",
    "<b>", "\x1b[31m", "x" * 1_000_000, [], [None], ["x", "x"], [1, 2, 3], {}, {"x": 1}, DEEP,
    {"depth": 100_000},
)  # fmt: skip
FEW = 3
"""Items of each kind in a list that are changed."""


def fields(value: Any, above: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of each field, the whole first."""
    yield above
    if isinstance(value, dict):
        for key, inside in value.items():
            yield from fields(inside, (*above, key))
    elif isinstance(value, list):
        seen: Counter[str] = Counter()
        for index, inside in enumerate(value):
            kind = str(inside.get("@type") if isinstance(inside, dict) else None)
            seen[kind] += 1
            if seen[kind] <= FEW:
                yield from fields(inside, (*above, index))


def changed(value: Any, place: tuple[Any, ...], other: Any) -> Any:
    """Return a copy with another value at a place."""
    if not place:
        return other
    result = copy.deepcopy(value)
    inside = result
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = other
    return result


def without(value: Any, place: tuple[Any, ...]) -> Any:
    """Return a copy without a field."""
    result = copy.deepcopy(value)
    inside = result
    for key in place[:-1]:
        inside = inside[key]
    del inside[place[-1]]
    return result


def mutations(value: Any) -> Iterator[Callable[[], Any]]:
    """Yield what makes each mutation."""
    for place in fields(value):
        for other in OTHERS:
            yield lambda place=place, other=other: changed(value, place, other)
        if place:
            yield lambda place=place: without(value, place)


def read(path: Path) -> Any:
    """Return what a file says, as JSON has it: a JSON file, or what goes with arrays or a table."""
    if path.suffix == ".json":
        return json.loads(path.read_text())
    if path.suffix == ".parquet":
        return pd.read_parquet(path).attrs
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()[ENTRY])


def write(path: Path, content: Any) -> None:
    """Let a file say something else."""
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    elif path.suffix == ".parquet":
        table = pyarrow.parquet.read_table(path)
        said = {**table.schema.metadata, b"PANDAS_ATTRS": json.dumps(content).encode()}
        pyarrow.parquet.write_table(table.replace_schema_metadata(said), path)
    else:
        with safe_open(path, framework="pt") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        save_file(arrays, path, metadata={ENTRY: json.dumps(content)})


@contextmanager
def within_seconds() -> Iterator[None]:
    """Raise TimeoutError in a block that takes too long."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    left = signal.alarm(SECONDS)  # of the limit of the whole test
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        signal.alarm(left)
