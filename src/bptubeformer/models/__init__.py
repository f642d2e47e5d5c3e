"""Floor 1: the models, one file each, and how a run of ``config.yaml`` becomes one.

A model file exports one class by ``__all__``. Its constructor takes keyword arguments only:
``classes``, ``skeleton``, ``segment_length`` and whatever hyperparameters it has, which are then
keys of a run.
Their annotations (``kinds.py``, ``bool``, ``int``, ``float``, ``str``, ``Literal``, lists of them,
``| None``) say which values a run may give.
A constructor that ends in ``**of_the_base`` has those of its base class too, a model of another
file. A constant ``SIZES_OF_ITS_SOURCE`` says that a model does not share the sizes of the paper's,
``architecture`` in ``config.yaml``; ``TRAINING_OF_ITS_SOURCE`` has the training settings of its
source, as far as that states them, for an arm with ``training: source``. A constant ``REQUIRES``
may list what the values must fulfil: ``"width % heads == 0"``.
Every run may also have ``coordinates`` and ``image_size``, for ``coordinates.normalised``.
Every model is a ``classifier.Classifier``: it says how segments are embedded (the class token,
where there is one), and which of its modules are the ``tokeniser``, the ``first transformer`` and
the ``second transformer``, so that costs of different models can be compared stage by stage.

This module does not import torch: ``config.yaml`` is checked against the constructors before any
environment with torch is needed.
"""

import ast
import importlib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import TypeAdapter, ValidationError

from bptubeformer import kinds
from bptubeformer.skeleton import COCO_17, Skeleton

if TYPE_CHECKING:
    from bptubeformer.models.classifier import Classifier

HERE = Path(__file__).parent
OF_THE_DATA = ("classes", "skeleton")
"""Arguments of a constructor that are not hyperparameters."""
OF_EVERY_MODEL = {"coordinates": kinds.Coordinates, "image_size": kinds.ImageSize}
"""Hyperparameters that no constructor has to take."""
KNOWN = {"len": len, "max": max}
"""Functions that a requirement may call."""
PLAIN = {"bool": kinds.Flag, "int": kinds.Whole, "float": kinds.Number, "str": kinds.Text}
"""Kinds of the types that are not kinds themselves."""


def available() -> list[str]:
    """Names of the models: the files of this folder that export a class taking ``classes``."""
    return sorted(path.stem for path in HERE.glob("*.py") if is_model(path.stem))


def is_model(name: str) -> bool:
    """Return True for the name of a model."""
    return "/" not in name and "classes" in (_constructor(HERE / f"{name}.py") or ())


def hyperparameters(model: str) -> list[str]:
    """Return the keys of a model's runs: arguments of its constructor, and ``OF_EVERY_MODEL``."""
    return list(kinds_of(model))


@cache
def shared_hyperparameters(model: str) -> list[str]:
    """Return the keys that ``architecture`` sets for a model, where its run does not."""
    if next(_constants(_tree(HERE / f"{model}.py"), "SIZES_OF_ITS_SOURCE"), False):
        return [*OF_EVERY_MODEL]
    return hyperparameters(model)


def source_training(model: str) -> dict[str, Any] | None:
    """Return the training settings that a model's source states; None if it states none."""
    path = HERE / f"{model}.py"
    if not path.is_file():
        return None
    return next(_constants(_tree(path), "TRAINING_OF_ITS_SOURCE"), None)


def lacking(model: str, skeleton: Skeleton) -> list[str]:
    """Return the joints of COCO that a skeleton does not have and a model knows by name."""
    annotation = (_constructor(HERE / f"{model}.py") or {}).get("skeleton")
    by_name = isinstance(annotation, ast.Name) and annotation.id == "CocoSkeleton"
    return [joint for joint in COCO_17.joints if by_name and joint not in skeleton.joints]


@cache
def kinds_of(model: str) -> dict[str, TypeAdapter[Any]]:
    """Return what validates each hyperparameter of a model, by its name."""
    annotations = _constructor(HERE / f"{model}.py") or {}
    own = {key: _kind(node) for key, node in annotations.items() if key not in OF_THE_DATA}
    return {key: TypeAdapter(kind) for key, kind in {**own, **OF_EVERY_MODEL}.items()}


def check_hyperparameter(model: str, key: str, value: Any) -> Any:
    """Return the value of a hyperparameter, a number where it is a text such as 1e-3.

    Args:
        model: one of ``available()``.
        key: one of its ``hyperparameters``.
        value: as somebody wrote it.

    Raises:
        ValueError: the value is of another kind; says what is expected.
    """
    try:
        return kinds_of(model)[key].validate_python(value)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        place = "".join(f" {part}" for part in fault["loc"] if isinstance(part, int))
        raise ValueError(f"{f'value{place}: ' if place else ''}{fault['msg']}") from None


def check_requirements(run: Mapping[str, Any]) -> None:
    """Refuse hyperparameters that do not fit together, as the file of the model says.

    Args:
        run: ``model`` and hyperparameters, each of its kind.

    Raises:
        ValueError: names the requirement, and the values that do not fulfil it.
    """
    path = HERE / f"{run['model']}.py"
    values = {**_defaults(path), **run}
    for requirement in _requirements(path):
        tree = ast.parse(requirement, mode="eval")
        names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name)]
        used = {name: values[name] for name in dict.fromkeys(names) if name in values}
        # The text is from the model's own file.
        if not eval(compile(tree, str(path), "eval"), {"__builtins__": KNOWN}, used):  # noqa: S307
            given = ", ".join(f"{name} is {value}" for name, value in used.items())
            raise ValueError(f"{run['model']} needs {requirement}; {given}")


def _kind(annotation: ast.expr) -> Any:
    """Return the type that an annotation of a constructor names, without importing its file."""
    match annotation:
        case ast.Name(id=name):
            return PLAIN.get(name) or getattr(kinds, name)
        case ast.Constant(value=None):
            return None
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _kind(left) | _kind(right)
        case ast.Subscript(value=ast.Name(id="Literal"), slice=choices):
            words = [ast.literal_eval(choice) for choice in _items(choices)]
            return Annotated[Literal[tuple(words)], kinds.Kind(f"one of {', '.join(words)}")]
        case ast.Subscript(value=ast.Name(id=("list" | "Sequence")), slice=item):
            return Annotated[list[_kind(item)], kinds.Kind("a list")]  # type: ignore[misc]
    raise TypeError(f"a hyperparameter of the type {ast.unparse(annotation)}; use a kind")


def _items(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.Tuple) else [node]


def build_model(run: Mapping[str, Any], classes: int, skeleton: Skeleton = COCO_17) -> "Classifier":
    """A model with fresh weights.

    Args:
        run: ``model`` (one of ``available()``) and its hyperparameters, as in ``config.yaml``.
        classes: number of classes.
        skeleton: whose joints a frame has.

    Raises:
        ValueError: no such model, or hyperparameters that it does not have or that do not fit
            together.
    """
    check_run(run)
    try:
        module = importlib.import_module(f"bptubeformer.models.{run['model']}")
    except ModuleNotFoundError as error:
        raise ValueError(f"{run['model']} needs {error.name}, which is not installed") from None
    (name,) = module.__all__
    arguments = {k: value for k, value in run.items() if k not in ("model", *OF_EVERY_MODEL)}
    # A model that looks at no joint by itself needs no skeleton.
    if "skeleton" in (_constructor(HERE / f"{run['model']}.py") or ()):
        arguments["skeleton"] = skeleton
    if missing := lacking(run["model"], skeleton):
        raise ValueError(
            f"{run['model']} needs joints that {skeleton.name} does not have: {', '.join(missing)}"
        )
    model = getattr(module, name)(classes=classes, **arguments)
    for key in OF_EVERY_MODEL:
        setattr(model, key, run.get(key, getattr(model, key)))
    return model


def check_run(run: Mapping[str, Any]) -> None:
    """Refuse a model that does not exist, and hyperparameters of another kind.

    Raises:
        ValueError: names the first that is wrong.
    """
    if not is_model(str(run.get("model"))):
        raise ValueError(f"model {run.get('model')!r} is not one of {', '.join(available())}")
    known = hyperparameters(run["model"])
    for key, value in run.items():
        if key == "model":
            continue
        if key not in known:
            raise ValueError(f"{run['model']} has no {key}; it has {', '.join(known)}")
        try:
            check_hyperparameter(run["model"], key, value)
        except ValueError as error:
            raise ValueError(f"{key} {value!r}: {error}") from None
    check_requirements(run)


@cache
def _constructor(path: Path) -> dict[str, ast.expr] | None:
    """Return the annotation of each keyword argument of the one class that a file exports."""
    found = _arguments(path)
    if found is None:
        return None
    return {name: one.annotation for name, (one, _) in found.items() if one.annotation}


@cache
def _defaults(path: Path) -> dict[str, Any]:
    """Return the defaults of its keyword arguments that are literals."""
    return {
        name: ast.literal_eval(default)
        for name, (_, default) in (_arguments(path) or {}).items()
        if isinstance(default, ast.Constant | ast.Tuple)
    }


@cache
def _requirements(path: Path) -> tuple[str, ...]:
    return next(_constants(_tree(path), "REQUIRES"), ())


@cache
def _arguments(path: Path) -> dict[str, tuple[ast.arg, ast.expr | None]] | None:
    """Return the keyword arguments of the class that a file exports, each with its default."""
    if not path.is_file():
        return None
    tree = _tree(path)
    exported = list(_constants(tree, "__all__"))
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and exported == [[node.name]]:
            for item in node.body:
                if isinstance(item, ast.FunctionDef) and item.name == "__init__":
                    given = zip(item.args.kwonlyargs, item.args.kw_defaults, strict=True)
                    own = {one.arg: (one, default) for one, default in given}
                    base = base_of(path.stem) if item.args.kwarg else None
                    return {**((_arguments(base) or {}) if base else {}), **own}
            # A constructor of its own is not needed.
            base = base_of(path.stem)
            return _arguments(base) if base else None
    return None


def base_of(model: str) -> Path | None:
    """Return the file of the model that a model is a subclass of; None where it is of none."""
    tree = _tree(HERE / f"{model}.py")
    (exported,) = _constants(tree, "__all__")
    bases = [
        ast.unparse(base)
        for node in tree.body
        if isinstance(node, ast.ClassDef) and [node.name] == exported
        for base in node.bases
    ]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and {one.name for one in node.names} & {*bases}:
            path = HERE / f"{str(node.module).rpartition('.')[2]}.py"
            return path if _constructor(path) else None
    return None


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _constants(tree: ast.Module, name: str) -> Iterator[Any]:
    """Yield the values that a module assigns to a name."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name:
            yield ast.literal_eval(node.value)
