"""The command line: one command a stage, with the arguments of the stage's function."""

import argparse
import ast
import importlib
import inspect
import io
import json
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any, cast, get_type_hints

import yaml
from pydantic import TypeAdapter, ValidationError

from bptubeformer.errors import InputError, is_out_of_memory, refused_by_system
from bptubeformer.kinds import Checked, Options, number_of
from bptubeformer.sections import parsed_yaml
from bptubeformer.stages import STAGES, module_of
from bptubeformer.study import Study
from bptubeformer.texts import shown

HERE = Path(__file__).parent


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one stage; wrong input ends in one line on standard error and exit status 1."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Names of files may hold what the terminal cannot show.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    whole = parser(given[0] if given else "")
    texts = vars(whole.parse_args(given))
    with errors_in_one_line(traceback=texts.pop("debug", False)):
        function = function_of(texts.pop("stage"))
        positional, options = read_options(function, texts, whole)
        function(*positional, **options)


@contextmanager
def errors_in_one_line(*, traceback: bool = False) -> Iterator[None]:
    """End the process with one line and status 1 for each error that a person can correct.

    Args:
        traceback: show where the error was raised instead.
    """
    try:
        yield
    except KeyboardInterrupt:
        sys.exit("bptubeformer: interrupted; finished work is kept, run the same command again")
    except Exception as error:
        words = explanation(error)
        if words is None or traceback:
            raise
        sys.exit(f"bptubeformer: {shown(words)}")


def explanation(error: Exception) -> str | None:
    """Return what a person can do about an error; None where that is nothing: a fault of ours."""
    if isinstance(error, InputError):
        return str(error)
    if is_out_of_memory(error):
        return (
            "too little memory; let fewer jobs run at a time (--cores, slots_per_gpu), or use a "
            "machine or device with more"
        )
    if isinstance(error, RecursionError):
        return "folders or values lie too deep in each other; expected at most some hundred levels"
    refusal = refused_by_system(error)
    if refusal is None:
        return str(error) if isinstance(error, OSError) else None
    name = getattr(error, "filename", None)
    return refusal if name is None else f"{os.fsdecode(name)}: {refusal}"


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
            module, found = definition(module_of(stage), STAGES[stage].partition(":")[2])
            function = cast(ast.FunctionDef, found)
            text = (ast.get_docstring(function) or "").partition("\nArgs:\n")[0]
            summary, _, more = text.partition("\n")
            command = stages.add_parser(stage, help=summary, description=f"{summary} {more}")
            for option in options_of(module, function):
                option.add_to(command)
            command.add_argument("--debug", action="store_true", help="show tracebacks of errors")
        else:
            stages.add_parser(stage)
    return whole


Definition = ast.FunctionDef | ast.ClassDef


def definition(module: str, name: str) -> tuple[str, Definition | None]:
    """Find a function or class in the file of a module, or of the one it is imported from.

    Returns:
        The module that defines it, and its syntax tree; None for a name that is something else.
    """
    path = HERE.joinpath(*module.split(".")[1:]).with_suffix(".py")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, Definition) and node.name == name:
            return module, node
        if isinstance(node, ast.ImportFrom) and name in [alias.name for alias in node.names]:
            inside = (node.module or "").startswith("bptubeformer.")
            return definition(node.module or "", name) if inside else (module, None)
    return module, None


@dataclass(frozen=True)
class Option:
    """A parameter of a stage's function, or a field of a group of options."""

    name: str
    meaning: str
    default: ast.expr | None
    """None where the option is required."""
    positional: bool

    def add_to(self, command: argparse.ArgumentParser) -> None:
        """Add the option to the parser of a command; a positional one has no flag."""
        text = self.meaning.replace("%", "%%")
        if self.positional:
            command.add_argument(self.name, help=text)
            return
        if isinstance(self.default, ast.Constant) and self.default.value not in (None, ""):
            text += f" (default: {self.default.value!s})"
        command.add_argument(
            _flag(self.name), help=text, required=self.default is None, default=argparse.SUPPRESS
        )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def options_of(module: str, found: Definition) -> Iterator[Option]:
    """Yield the options of a function, or of a group of options (``kinds.Options``).

    Args:
        module: that defines it.
        found: its syntax tree; the section ``Args:`` of its docstring says what each option is.
    """
    meanings = (ast.get_docstring(found) or "").partition("\nArgs:\n")[2]
    described = re.findall(r"^ *(\w+): (.*(?:\n {8,}.*)*)", meanings, re.MULTILINE)
    meaning_of = {name: " ".join(text.replace("``", "").split()) for name, text in described}
    for name, kind, default, positional in _parameters(found):
        group_module, group = definition(module, kind) if kind.isidentifier() else (module, None)
        if isinstance(group, ast.ClassDef) and "Options" in map(ast.unparse, group.bases):
            yield from options_of(group_module, group)
        else:
            yield Option(name, meaning_of[name], default, positional)


def _parameters(found: Definition) -> Iterator[tuple[str, str, ast.expr | None, bool]]:
    """Yield name, annotation, default, and True if it has no flag, of each parameter."""
    if isinstance(found, ast.ClassDef):
        for node in found.body:
            if isinstance(node, ast.AnnAssign):
                yield ast.unparse(node.target), ast.unparse(node.annotation), node.value, False
        return
    parameters = [*found.args.posonlyargs, *found.args.args]
    given = found.args.defaults
    needed: list[ast.expr | None] = [None] * (len(parameters) - len(given))
    for parameter, default in zip(parameters, [*needed, *given], strict=True):
        annotation = ast.unparse(parameter.annotation) if parameter.annotation else ""
        yield parameter.arg, annotation, default, parameter in found.args.posonlyargs


def read_options(
    function: Callable[..., Any], texts: Mapping[str, str], whole: argparse.ArgumentParser
) -> tuple[list[Any], dict[str, Any]]:
    """Return the values of the parameters of a function or group, read by their annotations.

    Args:
        function: of the stage, or the class of a group of options.
        texts: what the command line gives, by option.
        whole: its parser, which refuses a text of another kind.

    Returns:
        Values of the parameters without a flag, and of the others by name.

    Raises:
        InputError: a setting within a mapping is wrong.
    """
    kinds = get_type_hints(function, include_extras=True)
    positional, options = [], {}
    for name, parameter in inspect.signature(function).parameters.items():
        kind = kinds[name]
        if isinstance(kind, type) and issubclass(kind, Options):
            options[name] = kind(**read_options(kind, texts, whole)[1])
            continue
        if name not in texts:
            continue
        try:
            value = read_value(kind, texts[name], name)
        except argparse.ArgumentTypeError as error:
            whole.error(f"argument {_flag(name)}: {error}")
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
    if kind == Path | None:
        return Path(text) if text else None
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
            return parsed_yaml(text)
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
