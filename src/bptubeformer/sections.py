"""Mappings from outside, each with its description: pydantic checks, one line refuses."""

import difflib
import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any, ClassVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from bptubeformer.errors import InputError
from bptubeformer.texts import shown

MOST_VALUES = 200_000
"""Values of a mapping: aliases of YAML unfold a few lines to more than any memory holds."""
DEEPEST = 50
"""Mappings and lists within each other."""
MOST_SHOWN, LONGEST = 1000, 200
"""Values, and letters, of a wrong value that a message shows."""


class Section(BaseModel):
    """A mapping with known keys, which somebody wrote."""

    model_config = ConfigDict(extra="forbid", strict=True)
    expected: ClassVar[str] = "a mapping"
    example: ClassVar[str] = "config.yaml"
    """A file that shows every key."""
    from_people: ClassVar[bool] = True
    """False where no alias of YAML can be in it."""

    @classmethod
    def remedy(cls) -> str:
        """Return the words that help where a key is missing."""
        return f"add it ({cls.example} shows every key)"

    @model_validator(mode="before")
    @classmethod
    def _is_mapping(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            raise PydanticCustomError("expected", "expected {text}", {"text": cls.expected})
        return value


class Record(Section):
    """A mapping that a stage writes into its output, and that others may have changed."""

    from_people: ClassVar[bool] = False
    writer: ClassVar[str]
    """The command that writes it."""
    most_bytes: ClassVar[int] = 1_000_000
    """Of a JSON file; a larger one is not read."""

    @classmethod
    def remedy(cls) -> str:
        """Return the words that help where a key is missing."""
        return f"write the file again with: {cls.writer}"


def accept(description: type[Section], given: Any, of: str, place: str = "") -> dict[str, Any]:
    """Return a section as its description accepts it, and only the keys that were given.

    Args:
        description: of the section.
        given: what somebody wrote.
        of: the beginning of a message, such as ``config`` or the name of a file.
        place: key of the section.

    Raises:
        InputError: names the outermost key that is wrong.
    """
    if description.from_people and is_large(given, MOST_VALUES):
        raise InputError(
            f"{of}: more than {MOST_VALUES} values, or more than {DEEPEST} levels (an alias counts "
            "as often as it is used); expected fewer"
        )
    try:
        accepted = description.model_validate(given)
    except ValidationError as error:
        faults = error.errors(include_url=False)
        fault = min(faults, key=lambda fault: len(fault["loc"]))
        raise _explained(description, fault, of, place) from None
    return accepted.model_dump(mode="json", exclude_unset=True)


def _explained(description: type[Section], fault: Any, of: str, place: str) -> InputError:
    parts = [str(part) for part in fault["loc"] if part != "[key]"]
    where = ".".join([*([place] if place else []), *parts]) or "its content"
    if fault["type"] == "missing":
        return InputError(f"{of}: {where} is missing; {description.remedy()}")
    if fault["type"] == "extra_forbidden":
        known = _inside(description, parts[:-1]).model_fields
        return wrong(of, where, fault["input"], f"unknown key; {nearest(parts[-1], known)}")
    return wrong(of, where, fault["input"], fault["msg"])


def parsed_yaml(text: str) -> Any:
    """Return what a text in YAML says; libyaml reads it ten times as fast as Python.

    Raises:
        yaml.YAMLError: it is not YAML.
    """
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return yaml.load(text, loader)  # noqa: S506 (a safe loader)


def is_large(given: Any, most: int) -> bool:
    """Return True for more values than ``most``, every alias unfolded, or for too many levels."""
    waiting, count = [(given, 0)], 0
    while waiting:
        value, depth = waiting.pop()
        inside: Collection[Any] = ()
        if isinstance(value, Mapping):
            inside = value.values()
        elif isinstance(value, list | tuple | set):
            inside = value
        count += 1 + len(inside)
        if count > most or depth > DEEPEST:
            return True
        waiting += [(one, depth + 1) for one in inside]
    return False


def _inside(description: Any, keys: Iterable[str]) -> type[Section]:
    """Return the description of a section within another one, also of one of many."""
    for key in keys:
        if get_origin(description) in (dict, list):
            description = get_args(description)[-1]
        else:
            description = description.model_fields[key].annotation
    return description


def wrong(of: str, key: str, value: Any, remedy: str) -> InputError:
    """Return the refusal of a value."""
    if is_large(value, MOST_SHOWN):
        text = f"({len(value)} values)"
    else:
        if isinstance(value, str):
            value = value[: LONGEST + 1]  # a dump of a megabyte takes a second
        text = yaml.safe_dump(value, default_flow_style=True, width=1000).split("\n...")[0].strip()
    if "\n" in text:
        text = json.dumps(value, default=str)
    if len(text) > LONGEST:
        text = f"{text[:LONGEST]}..."
    return InputError(f"{of}: {shown(key)} = {text}: {remedy}")


def nearest(unknown: str, known: Iterable[str]) -> str:
    """Return the words that help with an unknown name."""
    known = sorted(map(shown, known))
    near = difflib.get_close_matches(shown(unknown), known, n=1)
    return f"did you mean {near[0]}?" if near else f"known here: {', '.join(known)}"
