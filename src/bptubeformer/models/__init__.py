"""Floor 1: the models, one file each, and how a run of ``config.yaml`` becomes one.

A model file exports one class by ``__all__``. Its constructor takes keyword arguments only:
``classes``, ``segment_length`` and whatever hyperparameters it has, which are then keys of a run.
Every model has

- ``embed(segments, attention=None)``: the embedding (B, D) of segments (B, T, 34) that the
  classifier sees, the class token where there is one; where ``attention`` is a dict, the attention
  weights of every layer are put into it;
- ``forward(segments)``: logits (B, classes);
- ``stages``: names of its modules under ``tokeniser``, ``first transformer`` and ``second
  transformer``, so that costs of different models can be compared stage by stage.

This module does not import torch: ``config.yaml`` is checked against the constructors before any
environment with torch is needed.
"""

import ast
import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bptubeformer.atomic import replacing
from bptubeformer.errors import InputError
from bptubeformer.metadata import pack, unpack

if TYPE_CHECKING:
    from torch import nn

HERE = Path(__file__).parent


def available() -> list[str]:
    """Names of the models: the files of this folder that export a class taking ``classes``."""
    return sorted(
        path.stem for path in HERE.glob("*.py") if "classes" in (_constructor(path) or ())
    )


def hyperparameters(model: str) -> list[str]:
    """What the constructor of a model takes besides ``classes``: the keys of its runs."""
    names = _constructor(HERE / f"{model}.py") or []
    return [name for name in names if name != "classes"]


def build_model(run: Mapping[str, Any], classes: int) -> "nn.Module":
    """A model with fresh weights.

    Args:
        run: ``model`` (one of ``available()``) and its hyperparameters, as in ``config.yaml``.
        classes: number of classes.

    Raises:
        ValueError: no such model, or hyperparameters that do not fit together.
    """
    if run["model"] not in available():
        raise ValueError(f"model {run['model']!r} is not one of {', '.join(available())}")
    module = importlib.import_module(f"bptubeformer.models.{run['model']}")
    (name,) = module.__all__
    arguments = {key: value for key, value in run.items() if key != "model"}
    return getattr(module, name)(classes=classes, **arguments)


def save_model(
    path: Path, model: "nn.Module", run: Mapping[str, Any], categories: Sequence[str]
) -> None:
    """Write the weights with what is needed to use them: the run and the class names."""
    from safetensors.torch import save_file

    about = {"run": dict(run), "categories": list(categories)}
    with replacing(path) as partial:
        save_file(model.state_dict(), partial, metadata=pack(about))


def load_model(path: Path) -> tuple["nn.Module", dict[str, Any], list[str]]:
    """Read a model, its run and its class names.

    Raises:
        InputError: the file is not a model written by ``save_model``.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            about = unpack(file.metadata())
            run, categories = about["run"], about["categories"]
            model = build_model(run, len(categories))
            # A parameter that is missing, left over or of another shape is refused by name.
            model.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"{path}: not a model of this package ({reason}); train it with: bptubeformer train"
        ) from error
    return model, run, categories


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
