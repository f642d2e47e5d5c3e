"""The command line: one command a stage, with the arguments of the stage's function."""

import argparse
import ast
import errno
import importlib
import inspect
import io
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from bptubeformer.atomic import full_disk
from bptubeformer.errors import InputError, is_out_of_memory, shown
from bptubeformer.kinds import Checked, number_of
from bptubeformer.stages import STAGES, module_of
from bptubeformer.study import Study

HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage; wrong input ends in one line on standard error and exit status 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Names of files may hold what the terminal cannot show.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    whole = parser(given[0] if given else "")
    texts = vars(whole.parse_args(given))
    with errors_in_one_line():
        function = function_of(texts.pop("stage"))
        positional, options = read_options(function, texts, whole)
        function(*positional, **options)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """End the process with one line and status 1 for each error that a person can correct."""
    try:
        yield
    except InputError as error:
        sys.exit(f"bptubeformer: {error}")
    except OSError as error:
        sys.exit(f"bptubeformer: {_explain(error)}")
    except (MemoryError, RuntimeError) as error:
        sys.exit(f"bptubeformer: {_out_of_memory(error)}")
    except KeyboardInterrupt:
        sys.exit("bptubeformer: interrupted; finished work is kept, run the same command again")


def function_of(stage: str) -> Callable[..., None]:
    """Import and return the function of a stage."""
    return getattr(importlib.import_module(module_of(stage)), STAGES[stage].partition(":")[2])


def parser(chosen: str) -> argparse.ArgumentParser:
    """Return the parser of the command line, with the options of one stage; it imports none."""
    whole = argparse.ArgumentParser(
        prog="bptubeformer", description="Stages of the BPTubeFormer replication."
    )
    stages = whole.add_subparsers(metavar="<stage>", dest="stage", required=True)
    for stage in STAGES:
        if stage == chosen or chosen not in STAGES:
            function = _definition(stage)
            text, _, meanings = (ast.get_docstring(function) or "").partition("\nArgs:\n")
            summary, _, more = text.partition("\n")
            command = stages.add_parser(stage, help=summary, description=f"{summary} {more}")
            add_options(command, function, meanings)
        else:
            stages.add_parser(stage)
    return whole


def _definition(stage: str) -> ast.FunctionDef:
    """Read the definition of a stage's function from its file."""
    module, _, name = STAGES[stage].partition(":")
    tree = ast.parse((HERE / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8"))
    (found,) = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == name]
    return found


def add_options(command: argparse.ArgumentParser, function: ast.FunctionDef, meanings: str) -> None:
    """Add an option for each parameter of a function; positional-only ones have no flag.

    Args:
        command: the parser of the command.
        function: its definition.
        meanings: the section ``Args:`` of its docstring.
    """
    described = re.findall(r"^ *(\w+): (.*(?:\n {8,}.*)*)", meanings, re.MULTILINE)
    help_of = {name: " ".join(text.replace("``", "").split()) for name, text in described}
    parameters = [*function.args.posonlyargs, *function.args.args]
    given = function.args.defaults
    needed: list[ast.expr | None] = [None] * (len(parameters) - len(given))
    for parameter, default in zip(parameters, [*needed, *given], strict=True):
        settings: dict[str, Any] = {"help": help_of[parameter.arg].replace("%", "%%")}
        flag = f"--{parameter.arg.replace('_', '-')}"
        if parameter in function.args.posonlyargs:
            flag = parameter.arg
        elif default is None:
            settings["required"] = True
        elif isinstance(default, ast.Constant) and default.value not in (None, ""):
            settings["help"] += f" (default: {default.value!s})"
        if parameter.annotation and ast.unparse(parameter.annotation).startswith("Sequence["):
            settings["nargs"] = "+"
        if flag.startswith("--"):
            settings["default"] = argparse.SUPPRESS
        command.add_argument(flag, **settings)


def read_options(
    function: Callable, texts: Mapping[str, Any], whole: argparse.ArgumentParser
) -> tuple[list[Any], dict[str, Any]]:
    """Return the values of a function's parameters, read by their annotations.

    Args:
        function: of the stage.
        texts: what the command line gives, by parameter.
        whole: its parser, which refuses a text of another kind.

    Raises:
        InputError: a setting within a mapping is wrong.
    """
    kinds = get_type_hints(function, include_extras=True)
    positional, options = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in texts:
            continue
        kind, given = kinds[name], texts[name]
        try:
            if get_origin(kind) is Sequence:
                value = [read_value(get_args(kind)[0], text, name) for text in given]
            else:
                value = read_value(kind, given, name)
        except argparse.ArgumentTypeError as error:
            whole.error(f"argument --{name.replace('_', '-')}: {error}")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            positional.append(value)
        else:
            options[name] = value
    return positional, options


def read_value(kind: Any, text: str, name: str) -> Any:
    """Return a value of a kind, from its text on the command line.

    Raises:
        ArgumentTypeError: the text is not such a value.
        InputError: a setting within a mapping is wrong.
    """
    if kind is Path:
        return Path(text)
    if kind is str or kind == str | None:
        return text
    if kind is Study:
        return Study.read(_mapping(text))
    if is_dataclass(kind):
        return settings_of(kind, _mapping(text), name)  # type: ignore[arg-type]
    try:
        return TypeAdapter(kind).validate_python(number_of(_parsed(text)))
    except ValidationError as error:
        message = error.errors(include_url=False)[0]["msg"]
        raise argparse.ArgumentTypeError(f"{message}: {text}") from error


def _mapping(text: str) -> Mapping[str, Any]:
    value = _parsed(text)
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError(f"not a mapping like '{{key: value}}': {text}")
    return value


def _parsed(text: str) -> Any:
    try:
        # JSON first: YAML takes 1e-09 for text.
        return json.loads(text)
    except RecursionError as error:
        raise argparse.ArgumentTypeError("too deep") from error
    except json.JSONDecodeError:
        try:
            return yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise argparse.ArgumentTypeError(f"neither JSON nor YAML: {text}") from error


def settings_of(kind: type[Checked], given: Mapping[str, Any], section: str) -> Any:
    """Return settings from a section of ``config.yaml``; missing keys keep their defaults.

    Raises:
        InputError: a key is unknown, or a value is of another kind.
    """
    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    for key in given:
        if key not in known:
            raise InputError(f"{section}.{key}: unknown key; known: {', '.join(known)}")
    try:
        return kind(**given)
    except InputError as error:
        raise InputError(f"{section}.{error}") from error


def _explain(error: OSError) -> str:
    """Return what a person can do about an error of the operating system.

    Raises:
        OSError: the error itself, where that is nothing.
    """
    if full_disk(error):
        return "the disk is full; make room, then run the same command again"
    if isinstance(error, FileNotFoundError):
        return f"{shown(error.filename)}: no such file; check the path given"
    paths = (PermissionError, IsADirectoryError, NotADirectoryError, FileExistsError)
    if isinstance(error, paths) or error.errno == errno.ENAMETOOLONG:
        return f"{shown(error.filename)}: {error.strerror}; check the path and your rights"
    raise error


def _out_of_memory(error: Exception) -> str:
    """Return what a person can do if memory is too short.

    Raises:
        Exception: the error itself, where it says something else.
    """
    if is_out_of_memory(error):
        return (
            "too little memory; let fewer jobs run at a time (--cores, slots_per_gpu), or use a "
            "machine or device with more"
        )
    raise error
