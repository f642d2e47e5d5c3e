"""Every key of ``config.yaml`` and the kind of its value: the one description of a configuration.

The JSON schema (``workflow/schemas``) and ``docs/configuration.md`` are made from it. The
hyperparameters of runs are described by the constructors of the models (``models.kinds_of``).
"""

from typing import Annotated, Any, get_type_hints

from pydantic import ConfigDict, Field, create_model

from bptubeformer.kinds import (
    LONGEST,
    Checked,
    Count,
    Device,
    Flag,
    Fraction,
    Gigabytes,
    Index,
    Kind,
    Measure,
    Positive,
    Protocol,
    Seed,
    Size,
    line,
    whole,
)
from bptubeformer.sections import Section
from bptubeformer.settings import ReadingSettings, SplitSettings, TrainingSettings

PART_OF_A_PATH = r"[A-Za-z0-9][A-Za-z0-9._-]*"
NAME = "a name of at most 100 letters, digits, dots, underscores and hyphens (it becomes a folder)"
Name = Annotated[str, Kind(NAME, pattern=f"^{PART_OF_A_PATH}$", max_length=100)]
RunName = Annotated[
    str,
    Kind(f"{NAME}, or <run>@<arm>", pattern=f"^{PART_OF_A_PATH}(@{PART_OF_A_PATH})*$",
         max_length=100),
]  # fmt: skip
Category = Annotated[
    str,
    Kind(
        "a category name: that of a folder, in one line of at most 255 letters",
        pattern=line("/"), max_length=255,
    ),
]  # fmt: skip


def section_of(settings: type[Checked], *left_out: str) -> type[Section]:
    """Make a section with the fields of settings; ``config.yaml`` has a value for each."""
    kinds = get_type_hints(settings, include_extras=True)
    fields: Any = {name: (kind, ...) for name, kind in kinds.items() if name not in left_out}
    return create_model(settings.__name__, __base__=Section, **fields)


class Dataset(section_of(ReadingSettings)):  # type: ignore[misc]
    """``dataset``: where it is, and how it is read."""

    expected = "a mapping with name and source"
    name: Name
    source: Annotated[
        str,
        # The report has it within a script, which a tag may end.
        Kind("doi:..., an http(s) address, an archive, a folder, or the word synthetic, without <",
             pattern=line("<"), max_length=4096),
    ]  # fmt: skip
    server: Annotated[
        str,
        Kind("the http(s) address of the Dataverse installation that holds a doi source",
             pattern=r"^https?://[^/?#\s]"),
    ]  # fmt: skip
    checksum: Annotated[
        str | None,
        Kind("algorithm:digest of the file at an http(s) address, or null",
             pattern="^(md5|sha1|sha256|sha512):[0-9a-fA-F]+$"),
    ]  # fmt: skip
    max_gigabytes: Gigabytes
    unlabelled: Annotated[
        list[Category] | None, Kind("a list of names of folders or labels, or null")
    ]


class Synthetic(Section):
    """``synthetic``."""

    expected = "a mapping with seed and size, for the source synthetic"
    seed: Seed = 0
    size: Size = 1.0


class Split(section_of(SplitSettings)):  # type: ignore[misc]
    """``split``."""


class Windows(Section):
    """``windows``."""

    step: Count


class Training(section_of(TrainingSettings, "seed")):  # type: ignore[misc]
    """``training``: its seeds are ``seeds``."""

    expected = "a mapping of training settings"
    checkpoint_seconds: Index
    folds_together: Flag


class Run(Section):
    """An entry of ``runs``; other keys are hyperparameters of its model.

    Its ``training`` names what it changes; the whole is checked as a ``Training``.
    """

    model_config = ConfigDict(extra="allow", strict=True)
    expected = "a mapping with model, experiment, segment_length and hyperparameters"
    model: Annotated[str, Kind("the name of a model")]
    experiment: Annotated[
        str,
        Kind("the experiment of the paper that the run belongs to, in one line",
             pattern=line(), max_length=LONGEST),
    ]  # fmt: skip
    segment_length: Count
    training: Annotated[dict[str, Any], Kind("a mapping of training settings")] = Field({})


Members = Annotated[
    list[RunName], Kind("a list of names of runs, or of studies for their runs", different=True)
]
Protocols = Annotated[
    list[Protocol],
    Kind(
        "a list of one or more of as-published, trajectory, video, group, predefined",
        min_length=1,
        different=True,
    ),
]


class Architecture(Section):
    """``architecture``: hyperparameters that all runs share, as far as their models have them."""

    model_config = ConfigDict(extra="allow", strict=True)
    expected = "a mapping of hyperparameters that all runs share"


Question = Annotated[str, Kind("a question in one line", pattern=line(), max_length=LONGEST)]
Pair = Annotated[
    list[RunName | list[RunName] | Measure],
    Kind("the names of two runs: is the first better than the second? Or lists of names, where the "
         "question has {run} or {other}; and a measure of uncertainty, where it is not about "
         "balanced accuracy", min_length=2, max_length=3, different=True),
]  # fmt: skip


class StudySettings(Section):
    """An entry of ``studies``."""

    expected = "a mapping with question, runs, baseline and shown"
    question: Question
    runs: Members
    counted: Members = Field([])
    protocols: Protocols = Field([])
    baseline: RunName
    shown: Annotated[str, Kind("the name of a run of the model bptubeformer, for the figures")]
    leakage: Annotated[
        list[RunName],
        Kind("a list of names of runs; an empty one leaves the table out", different=True),
    ] = Field([])
    identity: Annotated[
        list[RunName],
        Kind("a list of names of runs; an empty one leaves the table out", different=True),
    ] = Field([])
    calibration: Annotated[
        list[RunName],
        Kind("a list of names of runs; an empty one leaves the table out", different=True),
    ] = Field([])
    findings: Annotated[
        dict[Question, Pair | None], Kind("a mapping of questions to two runs, or null")
    ] = Field({})
    claims: Flag = False


class Statistics(Section):
    """``statistics``."""

    margin: Fraction
    minimum_videos: Annotated[int, whole(2)]
    learned: Annotated[float | None, Kind("a number between 0 and 1, or null", gt=0, lt=1)]
    bootstrap_samples: Annotated[int, whole(100, 100_000)]
    bootstrap_seed: Seed


class Complexity(Section):
    """``complexity``."""

    batch_size: Count


class Figures(Section):
    """``figures``."""

    fold: Index
    category: Category
    per_class: Count
    perplexity: Positive
    seed: Seed


Categories = Annotated[
    list[Category],
    Kind("a list of at least two different category names", min_length=2, different=True),
]


class Configuration(Section):
    """``config.yaml`` with everything laid over it."""

    dataset: Dataset
    synthetic: Synthetic = Synthetic()
    categories: Annotated[dict[Name, Categories], Kind("lists of category names, by dataset name")]
    protocols: Protocols
    split: Split
    windows: Windows
    training: Training
    seeds: Annotated[
        list[Seed],
        Kind("a list of 1 to 100 different whole numbers from 0", min_length=1, max_length=100,
             different=True),
    ]  # fmt: skip
    device: Device
    slots_per_gpu: Count
    architecture: Architecture
    arms: Annotated[
        dict[Name, dict[str, Any]], Kind("a mapping of names to what each changes of a run")
    ] = Field({})
    runs: Annotated[dict[RunName, Run], Kind("a mapping of run names to runs", min_length=1)]
    studies: Annotated[
        dict[Name, StudySettings], Kind("a mapping of names to studies", min_length=1)
    ]
    statistics: Statistics
    complexity: Complexity
    figures: Figures
