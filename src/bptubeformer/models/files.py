"""The file of a trained model: weights, and all that is needed to use and to judge them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

from bptubeformer.atomic import replacing
from bptubeformer.kinds import Digest, Fingerprint, Kind, Names, Number
from bptubeformer.metadata import content_of, describe, pack, unpack
from bptubeformer.models import build_model, check_run
from bptubeformer.reading import reading
from bptubeformer.sections import Record
from bptubeformer.skeleton import COCO_17, Skeleton, read_skeleton

if TYPE_CHECKING:
    from torch import Tensor

    from bptubeformer.models.classifier import Classifier


class About(Record):
    """The entries of the file beside its weights."""

    expected = "a model of this package"
    writer = "bptubeformer train"
    run: Annotated[dict[str, Any], Kind("a mapping of model and hyperparameters")]
    categories: Names
    data: Fingerprint
    skeleton: Annotated[dict[str, Any], Kind("the table of a skeleton")]
    extent: Annotated[
        list[Number] | None, Kind("four numbers in pixels, or null", min_length=4, max_length=4)
    ]
    training: Annotated[dict[str, Any], Kind("a mapping of training settings")]
    split: Annotated[
        str | None, Kind("the fingerprint of a split, or null", pattern="^[0-9a-f]{16}$")
    ]
    content: Digest


class TrainedModel(NamedTuple):
    """A model with what is needed to use it."""

    model: "Classifier"
    run: dict[str, Any]
    """Its name and hyperparameters, as for ``build_model``."""
    categories: list[str]
    """Class names."""
    data: str
    """Fingerprint of the store that it was trained on."""
    skeleton: Skeleton = COCO_17
    extent: Sequence[float] | None = None
    """Pixels between which the coordinates of the training data lie: x, x, y, y."""
    training: Mapping[str, Any] = {}
    """Settings of its training, with the seed."""
    split: str | None = None
    """Fingerprint of the split that it was trained on; None where it is not known."""
    content: str = ""
    """Hash of what its file holds; none before it was written."""


def save_model(path: Path, trained: TrainedModel) -> None:
    """Write a trained model to one safetensors file."""
    from safetensors.torch import save_file

    weights = {name: value.cpu() for name, value in trained.model.state_dict().items()}
    about = {
        "run": dict(trained.run),
        "categories": list(trained.categories),
        "data": trained.data,
        "skeleton": trained.skeleton.metadata,
        "extent": None if trained.extent is None else list(trained.extent),
        "training": dict(trained.training),
        "split": trained.split,
    }
    about["content"] = content_of(weights, about)
    with replacing(path) as partial:
        save_file(weights, partial, metadata=pack(about))


def read_content(path: Path) -> str:
    """Hash of what a model's file holds, as it was written, without reading the weights.

    Raises:
        InputError: the file is not a model.
    """
    from safetensors import safe_open

    with reading(path, About.expected, About.writer), safe_open(path, framework="pt") as file:
        return str(describe(file.metadata(), About, path)["content"])


def load_model(path: Path) -> TrainedModel:
    """Read a trained model; nothing in the file is executed.

    Raises:
        InputError: the file is not a model written by ``save_model``, or was changed since; where
            its weights are not those of the architecture that it names, the first that differs is
            named.
    """
    about, weights = read_weights(path)
    skeleton = read_skeleton(about["skeleton"])
    model = build_model(about["run"], len(about["categories"]), skeleton)
    model.load_state_dict(weights)
    return TrainedModel(model, **{**about, "skeleton": skeleton})


def read_weights(path: Path) -> tuple[dict[str, Any], dict[str, "Tensor"]]:
    """Read what a model's file says and its weights, without building the model.

    Returns:
        The keys of ``About``, and the weights by name.

    Raises:
        InputError: as for ``load_model``.
    """
    from safetensors import safe_open

    with reading(path, About.expected, About.writer), safe_open(path, framework="pt") as file:
        about = describe(file.metadata(), About, path)
        names = list(file.keys())
        slices = {name: file.get_slice(name) for name in names}
        found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
        _check_weights(about, found)
        weights = {name: file.get_tensor(name) for name in names}
        for name, values in weights.items():
            if not values.isfinite().all():
                raise ValueError(f"its weight {name} has values that are not finite")
        said = unpack(file.metadata())
        if said.pop("content") != content_of(weights, said):
            raise ValueError("its content is not what was written")
        return about, weights


def _check_weights(
    about: Mapping[str, Any], found: Mapping[str, tuple[tuple[int, ...], str]]
) -> None:
    """Refuse weights that are not those of an architecture, before any memory is taken for it.

    Args:
        about: the keys of ``About``.
        found: shape and type of each weight, by name.

    Raises:
        ValueError: names the first weight that differs.
    """
    import torch

    run = about["run"]
    check_run(run)
    if run.get("depth", 0) > len(found):
        raise ValueError(f"its architecture is larger than its weights: {dict(run)}")
    with torch.device("meta"):
        model = build_model(run, len(about["categories"]), read_skeleton(about["skeleton"]))
    expected = model.state_dict()
    for name in [*expected, *found]:
        wanted = (
            _form(tuple(expected[name].shape), _kind(expected[name]))
            if name in expected
            else "none"
        )
        here = _form(*found[name]) if name in found else "none"
        if wanted != here:
            raise ValueError(
                f"its weight {name} is {here}, that of the {run['model']} it names is {wanted}"
            )


def _kind(weight: "Tensor") -> str:
    """Return a weight's type as its file has it: floating-point numbers, or a count."""
    return "F32" if weight.is_floating_point() else "I64"


def _form(shape: tuple[int, ...], kind: str) -> str:
    return f"{kind} of {' x '.join(map(str, shape)) or 'one value'}"
