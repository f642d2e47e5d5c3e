"""Floor 1: the models, one file each, and how a run of ``config.yaml`` becomes one.

A model file exports one class by ``__all__``. Its constructor takes keyword arguments only:
``classes``, ``segment_length`` and whatever hyperparameters it has, which are then keys of a run.
Every model is a ``classifier.Classifier``: it says how segments are embedded (the class token,
where there is one), and which of its modules are the ``tokeniser``, the ``first transformer`` and
the ``second transformer``, so that costs of different models can be compared stage by stage.

This module does not import torch: ``config.yaml`` is checked against the constructors before any
environment with torch is needed.
"""

import ast
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bptubeformer.atomic import replacing
from bptubeformer.metadata import content_of, pack, unpack
from bptubeformer.reading import reading

if TYPE_CHECKING:
    from bptubeformer.models.classifier import Classifier

HERE = Path(__file__).parent
FRACTIONS = ("dropout",)
"""Hyperparameters that need not be whole numbers."""
LARGEST = 100_000
"""Largest hyperparameter that a model file may name: a number of frames, tokens or channels."""


def available() -> list[str]:
    """Names of the models: the files of this folder that export a class taking ``classes``."""
    return sorted(
        path.stem for path in HERE.glob("*.py") if "classes" in (_constructor(path) or ())
    )


def hyperparameters(model: str) -> list[str]:
    """What the constructor of a model takes besides ``classes``: the keys of its runs."""
    names = _constructor(HERE / f"{model}.py") or []
    return [name for name in names if name != "classes"]


def build_model(run: Mapping[str, Any], classes: int) -> "Classifier":
    """A model with fresh weights.

    Args:
        run: ``model`` (one of ``available()``) and its hyperparameters, as in ``config.yaml``.
        classes: number of classes.

    Raises:
        ValueError: no such model, or hyperparameters that it does not have or that do not fit
            together.
    """
    _check_run(run)
    module = importlib.import_module(f"bptubeformer.models.{run['model']}")
    (name,) = module.__all__
    arguments = {key: value for key, value in run.items() if key != "model"}
    return getattr(module, name)(classes=classes, **arguments)


def _check_run(run: Mapping[str, Any]) -> None:
    if run.get("model") not in available():
        raise ValueError(f"model {run.get('model')!r} is not one of {', '.join(available())}")
    known = hyperparameters(run["model"])
    for key, value in run.items():
        if key != "model" and key not in known:
            raise ValueError(f"{run['model']} has no {key}; it has {', '.join(known)}")
        numbers = value if isinstance(value, (list, tuple)) else [value]
        whole = [n for n in numbers if isinstance(n, int)]
        if any(isinstance(n, bool) or n < (0 if key == "dropout" else 1) for n in whole):
            raise ValueError(f"{key} {value!r} is no number of at least 1")
        broken = [n for n in numbers if isinstance(n, float)]
        if broken and key not in FRACTIONS:
            raise ValueError(f"{key} {value!r} is no whole number")
        if key == "dropout" and not 0 <= value < 1:
            raise ValueError(f"dropout {value!r} is no number from 0 to below 1")


class TrainedModel(NamedTuple):
    """A model with what is needed to use it."""

    model: "Classifier"
    run: dict[str, Any]
    """Its name and hyperparameters, as for ``build_model``."""
    categories: list[str]
    """Class names."""
    data: str
    """Fingerprint of the store that it was trained on."""
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
    }
    about["content"] = content_of(weights, about)
    with replacing(path) as partial:
        save_file(weights, partial, metadata=pack(about))


def load_model(path: Path) -> TrainedModel:
    """Read a trained model; nothing in the file is executed.

    Raises:
        InputError: the file is not a model written by ``save_model``, or was changed since; where
            its weights are not those of the architecture that it names, the first that differs is
            named.
    """
    from safetensors import safe_open

    kind = "a model of this package"
    with reading(path, kind, "bptubeformer train"), safe_open(path, framework="pt") as file:
        about = unpack(file.metadata())
        content = about.pop("content")
        run, categories = about["run"], about["categories"]
        if not isinstance(categories, list) or not all(isinstance(n, str) for n in categories):
            raise ValueError("its classes are no list of names")
        names = list(file.keys())
        slices = {name: file.get_slice(name) for name in names}
        found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
        _check_weights(run, len(categories), found)
        model = build_model(run, len(categories))
        weights = {name: file.get_tensor(name) for name in names}
        for name, values in weights.items():
            if not values.isfinite().all():
                raise ValueError(f"its weight {name} has values that are no finite numbers")
        if content != content_of(weights, about):
            raise ValueError("its content is not what was written")
        model.load_state_dict(weights)
    return TrainedModel(model, run, categories, about["data"], content)


def read_content(path: Path) -> str:
    """Hash of what a model's file holds, as it was written, without reading the weights.

    Raises:
        InputError: the file is no model.
    """
    from safetensors import safe_open

    kind = "a model of this package"
    with reading(path, kind, "bptubeformer train"), safe_open(path, framework="pt") as file:
        return str(unpack(file.metadata())["content"])


def _check_weights(
    run: Mapping[str, Any], classes: int, found: Mapping[str, tuple[tuple[int, ...], str]]
) -> None:
    """Refuse weights that are not those of an architecture, before any memory is taken for it.

    Args:
        run: model and hyperparameters that a file names.
        classes: number of classes that it names.
        found: shape and type of each of its weights, by name.

    Raises:
        ValueError: names the first weight that differs.
    """
    import torch

    _check_run(run)
    numbers = [n for value in run.values() for n in (value if isinstance(value, list) else [value])]
    if any(isinstance(n, int) and n > LARGEST for n in numbers) or run.get("depth", 0) > len(found):
        raise ValueError(f"its architecture is larger than its weights: {dict(run)}")
    with torch.device("meta"):
        expected = build_model(run, classes).state_dict()
    for name in [*expected, *found]:
        wanted = _form(tuple(expected[name].shape), "F32") if name in expected else "none"
        here = _form(*found[name]) if name in found else "none"
        if wanted != here:
            raise ValueError(
                f"its weight {name} is {here}, that of the {run['model']} it names is {wanted}"
            )


def _form(shape: tuple[int, ...], kind: str) -> str:
    return f"{kind} of {' x '.join(map(str, shape)) or 'one value'}"


def _constructor(path: Path) -> list[str] | None:
    """Keyword arguments of the one class that a file exports; None where it exports none."""
    if not path.is_file():
        return None
    tree = ast.parse(path.read_text(encoding="utf-8"))
    exported = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and exported == [[node.name]]:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    return [argument.arg for argument in item.args.kwonlyargs]
    return None
