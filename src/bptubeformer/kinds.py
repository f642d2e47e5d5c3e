"""Kinds of values that people write: what each accepts, and the words for it in a message.

A kind annotates a type for pydantic: ``Annotated[int, whole(1)]``. Its words are both the text of
the message that refuses another value and the description in the schema. Numbers are read as
people write them: YAML 1.1 takes ``1e-3`` for a text. ``true`` is not a number, and ``3.0`` is not
a whole number: it would become "3.0" in the name of a folder.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
)
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from bptubeformer.errors import InputError

LARGEST = 100_000
"""Largest count: no memory holds a model of more frames, tokens or channels."""
LARGEST_SIZE = 2**63 - 1
"""Bytes of a file, rows of a table: what a whole number of 64 bits holds."""
LONGEST = 1000
"""Letters of a text in one line."""
LARGEST_SEED = 2**32 - 1
"""Of NumPy's generators."""
SCIENTIFIC = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+|[-+]?\.\d+")
"""Numbers that YAML 1.1 takes for texts, such as 1e-3."""


def number_of(value: Any) -> Any:
    """Convert a text such as 1e-3 to its number; return any other value as it is."""
    if not isinstance(value, str) or not SCIENTIFIC.fullmatch(value):
        return value
    number = float(value)
    return int(number) if number.is_integer() else number


def line(without: str = "") -> str:
    """Return the pattern of a text in one line, without commands to a terminal."""
    return rf"^[^{without}\x00-\x1f\x7f-\x9f\u2028\u2029]+$"


class Kind:
    """The bounds of a type, and the words for them.

    Args:
        expected: the text after "expected" in a message.
        different: of a list: no value is there twice.
        bounds: of ``pydantic.Field``: ``ge``, ``lt``, ``pattern``, ``min_length``, ...
    """

    def __init__(self, expected: str, *, different: bool = False, **bounds: Any):
        self.expected = expected
        self.different = different
        self.bounds = bounds
        self.union = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        self.union = get_origin(source) is Union
        strict = {} if self.union or get_origin(source) in (Literal, Sequence) else {"strict": True}
        bounded = Annotated[source, Field(**strict, **self.bounds)]
        return core_schema.no_info_wrap_validator_function(
            self.check, handler.generate_schema(bounded)
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        unique = {"uniqueItems": True} if self.different else {}
        return {**handler(schema), **unique, "description": self.expected}

    def check(self, value: Any, handler: Callable[[Any], Any]) -> Any:
        """Return an accepted value; pydantic calls it."""
        given = number_of(value)
        for candidate in (value, given) if given is not value else (value,):
            try:
                accepted = handler(candidate)
            except ValidationError as error:
                # An item's own kind says what is wrong within a list.
                inside = any(fault["loc"] for fault in error.errors(include_url=False))
                if inside and not self.union:
                    raise
            else:
                items = accepted if self.different else ()
                if len({repr(item) for item in items}) == len(items):
                    # A whole number stays one where any number is accepted.
                    return candidate if isinstance(candidate, int) else accepted
        raise PydanticCustomError("expected", "expected {text}", {"text": self.expected})


def whole(least: int, most: int = LARGEST) -> Kind:
    """Return the kind of a whole number within bounds."""
    return Kind(f"a whole number of at least {least}, at most {most}", ge=least, le=most)


Flag = Annotated[bool, Kind("true or false")]
Text = Annotated[str, Kind("a text")]
Line = Annotated[
    str,
    Kind(
        f"a text in one line of at most {LONGEST} letters, without <",
        pattern=line("<"), max_length=LONGEST,
    ),
]  # fmt: skip
Device = Annotated[str, Kind("auto, cpu, cuda or cuda:<n>", pattern=r"^(auto|cpu|cuda(:[0-9]+)?)$")]
Name = Annotated[
    str,
    Kind(f"a name in one line, of at most {LONGEST} letters", pattern=line(), max_length=LONGEST),
]
Names = Annotated[
    list[Name], Kind("a list of different names in one line each", min_length=1, different=True)
]
Whole = Annotated[int, Kind(f"a whole number of at most {LARGEST}", ge=-LARGEST, le=LARGEST)]
Number = Annotated[float, Kind("a finite number", allow_inf_nan=False)]
Count = Annotated[int, whole(1)]
Index = Annotated[int, whole(0)]
Depth = Annotated[int, whole(1, 100)]
"""Layers of a transformer; a larger number would take minutes to build."""
Amount = Annotated[int, whole(0, LARGEST_SIZE)]
Seed = Annotated[int, Kind(f"a whole number from 0 to {LARGEST_SEED}", ge=0, le=LARGEST_SEED)]
Fraction = Annotated[float, Kind("a number between 0 and 1", gt=0, lt=1)]
Share = Annotated[float, Kind("a number from 0 to below 1", ge=0, lt=1)]
Gigabytes = Annotated[float, Kind("a number above 0, at most 1000000", gt=0, le=1e6)]
Size = Annotated[
    float, Kind("a factor above 0, at most 100, on the number of videos", gt=0, le=100)
]
Positive = Annotated[float, Kind("a number above 0", gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Kind("a number of at least 0, at most 1e9", ge=0, le=1e9)]
Epsilon = Annotated[float, Kind("a number above 0, such as 1e-9", gt=0, allow_inf_nan=False)]
Extent = Annotated[
    Count | Literal["part"], Kind("a whole number of at least 1, or part: the whole grid of a part")
]
Tubelet = Annotated[
    Sequence[Extent],
    Kind(
        "three whole numbers: frames, rows, columns; rows and columns may be part",
        min_length=3,
        max_length=3,
    ),
]
Fingerprint = Annotated[
    str, Kind("a fingerprint of 16 hexadecimal digits", pattern="^[0-9a-f]{16}$")
]
"""The beginning of a SHA-256 over the content of a store, a split or code."""
Digest = Annotated[str, Kind("a SHA-256 of 64 hexadecimal digits", pattern="^[0-9a-f]{64}$")]
Moment = Annotated[
    str,
    Kind(
        "a moment such as 2026-01-31T12:00:00+00:00",
        pattern=r"^2[0-9]{3}-[01][0-9]-[0-3][0-9]T[0-2][0-9](:[0-5][0-9]){2}\+00:00$",
    ),
]
FORMATS = (
    "auto",
    "trajectories",
    *sorted(
        path.stem.replace("_", "-")
        for path in Path(__file__).parent.joinpath("data", "formats").glob("[a-z]*.py")
    ),
)
"""Formats of poses: a module of ``data.formats`` each, and the layout of HR-Crime."""
FormatName = Annotated[Literal[FORMATS], Kind(f"one of {', '.join(FORMATS)}")]  # type: ignore[valid-type]
ImageSize = Annotated[
    Sequence[Count], Kind("width and height in pixels", min_length=2, max_length=2)
]
Camera = Annotated[
    Sequence[Positive],
    Kind(
        "three numbers in pixels: focal length, x and y of the centre", min_length=3, max_length=3
    ),
]
Identity = Annotated[Literal["tracked", "given"], Kind("tracked or given")]
FilmKind = Annotated[Literal["mp4", "gif"], Kind("mp4 or gif")]
Padding = Annotated[Literal["constant", "replicate"], Kind("constant or replicate")]
Partition = Annotated[
    str,
    Kind(
        "skeleton, limbs, halves, sides or random-<seed>",
        pattern=r"^(skeleton|limbs|halves|sides|random-\d{1,4})$",
    ),
]
"""Of the joints into parts; ``partition.py`` describes them."""
Coordinates = Annotated[Literal["pixels", "frame", "box"], Kind("pixels, frame or box")]
Betas = Annotated[
    Sequence[Annotated[float, Kind("a number from 0 to below 1", ge=0, le=1 - 2**-24)]],
    Kind("two numbers from 0 to below 1", min_length=2, max_length=2),
]
"""Of Adam; 1 - 2^-24 is the largest number below 1 that float32 has."""
Precision = Annotated[Literal["fp32", "tf32", "bf16"], Kind("fp32, tf32 or bf16")]
"""Full float32; float32 whose products keep 10 bits of the mantissa; bfloat16 with float32 weights,
reductions and tokenisers (autocast)."""
Optimiser = Annotated[
    Literal["adam", "adamw", "sgd", "rmsprop", "seagull", "random-search"],
    Kind("adam, adamw, sgd, rmsprop, seagull or random-search"),
]
Schedule = Annotated[
    Literal["plateau", "milestones", "cosine", "constant"],
    Kind("plateau, milestones, cosine or constant"),
]
Epochs = Annotated[Sequence[Count], Kind("a list of numbers of epochs", different=True)]
Loss = Annotated[
    Literal["cross-entropy", "evidential-softplus", "evidential-exp", "balanced-error"],
    Kind("cross-entropy, evidential-softplus, evidential-exp or balanced-error"),
]
Augmentations = Annotated[
    Sequence[Literal["flip", "jitter", "scale", "rotate", "drop-joints", "warp-time"]],
    Kind("a list of flip, jitter, scale, rotate, drop-joints, warp-time", different=True),
]
"""Changes of training segments; ``models.augmentation`` describes them."""
Left = Annotated[Sequence[Name], Kind("a list of class names", different=True)]
Start = Annotated[Name | None, Kind("the name of a run, or null")]
Runs = Annotated[Sequence[Name], Kind("a list of names of runs", different=True)]
Filters = Annotated[
    str, Kind("same, inflated or frame-<n>", pattern=r"^(same|inflated|frame-\d{1,3})$")
]
"""Of a trained run, for tubelets of more frames; ``training.start`` describes them."""
Protocol = Annotated[
    Literal["as-published", "trajectory", "video", "group", "predefined"],
    Kind("as-published, trajectory, video, group or predefined"),
]
"""Protocols of the split; ``data.splits`` describes them."""
Measure = Annotated[
    Literal[
        "calibration error", "left-out classes", "missing joints", "noise", "shuffled frames",
        "unlabelled",
    ],
    Kind("calibration error, left-out classes, missing joints, noise, shuffled frames or "
         "unlabelled"),
]  # fmt: skip
PRECISIONS: tuple[str, ...] = get_args(get_args(Precision)[0])
PROTOCOLS: tuple[str, ...] = get_args(get_args(Protocol)[0])
OF_ANY_DATA = PROTOCOLS[:3]
"""Protocols that need neither groups nor parts of the data."""
MEASURES: tuple[str, ...] = get_args(get_args(Measure)[0])
"""Of the uncertainty of a model: its calibration error, and how well it tells others apart."""
ERROR, LEFT_OUT, UNLABELLED = MEASURES[0], MEASURES[1], MEASURES[-1]
CORRUPTIONS = MEASURES[2:-1]
CHANCE = "chance"
"""In place of the second run of a question: an area of 0.5 under the ROC curve."""


class Options:
    """The base of dataclasses whose fields are options that several commands share."""


class Checked:
    """The base of dataclasses whose fields are kinds; every value is checked when one is made.

    Raises:
        InputError: names the field, its value and what is expected.
    """

    def __post_init__(self) -> None:
        # A class is hashable, whatever mypy thinks of classes whose objects might not be.
        for name, kind in _kinds_of(type(self)).items():  # type: ignore[arg-type]
            value = getattr(self, name)
            try:
                accepted = kind.validate_python(value)
            except ValidationError as error:
                text = error.errors(include_url=False)[0]["msg"]
                raise InputError(f"{name} = {value!r}: {text}; see config.yaml") from None
            # Settings are compared and hashed, and a list cannot be hashed.
            given = tuple(accepted) if isinstance(accepted, list) else accepted
            object.__setattr__(self, name, given)


@cache
def _kinds_of(settings: type) -> dict[str, TypeAdapter[Any]]:
    hints = get_type_hints(settings, include_extras=True)
    return {name: TypeAdapter(kind) for name, kind in hints.items()}
