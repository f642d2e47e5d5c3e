"""Fingerprints of what code means, so that a run is repeated when its meaning has changed.

A fingerprint is a hash over the syntax trees of everything inside this package that a piece of
code reaches by import, without comments, docstrings, layout and the texts of messages. Editing a
docstring or a message keeps it; editing a model changes it for the commands that run this model,
and for no others.
"""

import ast
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = __name__.split(".")[0]
ROOT = Path(__file__).resolve().parent
CACHE = ROOT.parents[1] / ".snakemake" / "fingerprints.json"
"""Fingerprints by the content of all files: every job of a cluster parses the Snakefile again."""
SPEAKING = ("print", "say", "report", "exit", "error", "warn", "reading")
"""Functions whose texts people read: messages and progress."""
RESULTS = ("claims", "evaluation", "figures", "provenance", "verdict")
"""Parts of the package whose sentences are results: notes of tables, captions, findings."""
WORDS_OF_A_SENTENCE = 3
DATA = (".yaml", ".j2")
"""Files of the package that hold what the paper says, and how the verdicts are shown."""


def fingerprint(*roots: str) -> str:
    """Hash of the code reached from ``roots``.

    Args:
        roots: modules (``bptubeformer.models.sttran``), or paths of notebooks.

    Returns:
        16 hexadecimal digits.
    """
    key = " ".join(f"{root} {_hash(Path(root))}" if _is_notebook(root) else root for root in roots)

    def compute() -> str:
        digest = hashlib.sha256()
        for name, text in sorted(reached(*roots).items()):
            digest.update(f"{name}\n{text}\n".encode())
        return digest.hexdigest()[:16]

    return _kept(key, compute)


def _is_notebook(root: str) -> bool:
    return root.endswith(".ipynb")


def _hash(*paths: Path) -> str:
    digest = hashlib.sha256()
    for path in paths:
        digest.update(f"{path.name} {path.stat().st_size}\n".encode() + path.read_bytes())
    return digest.hexdigest()


@cache
def _known() -> dict[str, str]:
    """Read the fingerprints that an earlier process found for the same files, by their roots."""
    files = sorted(path for path in ROOT.rglob("*") if path.suffix in (".py", *DATA))
    known = {"files": _hash(*files)}
    with suppress(OSError, ValueError):
        kept = json.loads(CACHE.read_text(encoding="utf-8"))
        if isinstance(kept, dict) and kept.get("files") == known["files"]:
            return kept
    return known


def _kept(key: str, compute: Callable[[], str]) -> str:
    """Return a fingerprint that was found before, or compute it and keep it for later processes."""
    known = _known()
    if key not in known:
        known[key] = compute()
        _keep(known)
    return known[key]


def _keep(known: dict[str, str]) -> None:
    """Write the fingerprints for the next process, where Snakemake has its folder."""
    if CACHE.parent.is_dir():
        with suppress(OSError):
            partial = CACHE.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(known), encoding="utf-8")
            partial.replace(CACHE)


def package_fingerprint(root: Path = ROOT) -> str:
    """Hash of the meaning of a whole package, and of what it holds besides code.

    Args:
        root: its folder; this package's own where none is given.
    """
    if root == ROOT:
        return _kept(PACKAGE, lambda: _of_package(root))
    return _of_package(root)


def _of_package(root: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in root.rglob("*") if path.suffix in (".py", *DATA)):
        content = path.read_bytes()
        if path.suffix == ".py":
            module = ".".join([PACKAGE, *path.relative_to(root).with_suffix("").parts])
            content = _text(_meaning(ast.parse(content), module)).encode()
        digest.update(f"{path.relative_to(root).as_posix()}\n".encode() + content)
    return digest.hexdigest()[:16]


def reached(*roots: str) -> dict[str, str]:
    """Meaning, as text, of each piece of code reached from ``roots``, by its name."""
    found: dict[str, str] = {}
    waiting: list[str] = []
    for root in roots:
        trees: list[ast.AST] = []
        if _is_notebook(root):
            trees += [_meaning(tree, PACKAGE) for tree in _notebook(root)]
            found[Path(root).name] = "\n".join(map(_text, trees))
        else:
            waiting.append(root)
        waiting += [module for tree in trees for module in _imports(tree)]
    while waiting:
        module = waiting.pop()
        # The package itself holds no more than its version, which changes no number.
        if module not in (PACKAGE, *found):
            found[module], imported = _read(module)
            waiting += imported
            waiting += [module.rsplit(".", 1)[0]] if "." in module else []
    return found


def imported(*roots: str, certain: bool = False) -> set[str]:
    """Return the top-level modules from outside, such as numpy, that pieces of code can import.

    Modules of the standard library are left out, and those that only a type checker reads.

    Args:
        roots: as for ``fingerprint``.
        certain: leave out what only functions and classes of reached modules import.
    """
    found: set[str] = set()
    waiting, seen = list(roots), {PACKAGE}
    while waiting:
        root = waiting.pop()
        if root in seen:
            continue
        seen.add(root)
        names = {name for tree in _executed(root, certain) for name in _at_runtime(tree)}
        found |= {name.split(".")[0] for name in names}
        names |= {root.rpartition(".")[0]} if _is_module(root) else set()
        waiting += sorted(filter(_is_module, names))
    return found - set(sys.stdlib_module_names) - {PACKAGE}


def _is_module(name: str) -> bool:
    return name.split(".")[0] == PACKAGE and _path(name) is not None


def _executed(root: str, certain: bool) -> list[ast.AST]:
    """Syntax trees that run when a root of ``imported`` is used."""
    if _is_notebook(root):
        return [*_notebook(root)]
    body = _parse(root).body
    definitions = ast.FunctionDef | ast.ClassDef
    return [node for node in body if not (certain and isinstance(node, definitions))]


def _at_runtime(node: ast.AST) -> Iterator[str]:
    """Modules that a syntax tree imports, but for those that only a type checker reads."""
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
        return
    yield from _names(node)
    for inside in ast.iter_child_nodes(node):
        yield from _at_runtime(inside)


@cache
def stage_fingerprint(module: str, *models: str) -> str:
    """Fingerprint of the module of a stage and of the models it is given by name."""
    return fingerprint(module, *(f"{PACKAGE}.models.{m}" for m in models))


def _path(module: str) -> Path | None:
    """File of a module of this package; None for a name that is not a module."""
    base = ROOT.joinpath(*module.split(".")[1:])
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _read(module: str) -> tuple[str, tuple[str, ...]]:
    """Meaning of a module as text, and the modules that it imports."""
    tree = _parse(module)
    return _text(tree), tuple(_imports(tree))


@cache
def _parse(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ValueError(f"{module} is not a module of {PACKAGE}")
    return _meaning(ast.parse(path.read_text(encoding="utf-8")), module)


def _notebook(path: str) -> Iterator[ast.Module]:
    for cell in json.loads(Path(path).read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            yield ast.parse("".join(cell["source"]))


def _meaning(tree: ast.Module, module: str) -> ast.Module:
    """Remove docstrings, other strings that are statements, and the texts of messages.

    A message is a text in a ``raise``, an exception or a call of ``SPEAKING``. Outside of
    ``RESULTS``, so is every sentence: helpers put messages together.
    """
    results = module.split(".")[1:2] in [[part] for part in RESULTS]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            body[:] = [line for line in body if not _is_text(line)] or [ast.Pass()]
        speaks = isinstance(node, ast.Raise) or (isinstance(node, ast.Call) and _speaks(node))
        if speaks or (isinstance(node, ast.JoinedStr) and not results):
            _blank(node, words=2)
        elif isinstance(node, ast.Constant) and not results:
            _blank(node, words=WORDS_OF_A_SENTENCE)
    return tree


def _blank(node: ast.AST, words: int) -> None:
    """Blank every text in a node that has so many words; a word alone may be a value."""
    texts = (inside for inside in ast.walk(node) if isinstance(inside, ast.Constant))
    for text in texts:
        if isinstance(text.value, str) and len(text.value.split(" ")) >= words:
            text.value = ""


def _speaks(call: ast.Call) -> bool:
    """Return True for a call that prints a text or makes an exception."""
    name = ast.unparse(call.func).rpartition(".")[2]
    return name in SPEAKING or name.endswith("Error") or name in ("Rejected", "NotRun", "Damaged")


def _text(node: Any) -> str:
    """A syntax tree as text that is the same under every version of Python."""
    if isinstance(node, ast.AST):
        # Empty fields are left out: newer versions have some that older ones have not.
        parts = {name: getattr(node, name, None) for name in node._fields}
        inside = ", ".join(f"{k}={_text(v)}" for k, v in parts.items() if v not in (None, []))
        return f"{type(node).__name__}({inside})"
    if isinstance(node, list):
        return f"[{', '.join(map(_text, node))}]"
    return repr(node)


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def _imports(tree: ast.AST) -> Iterator[str]:
    """Modules of this package that ``tree`` imports, at any depth."""
    for node in ast.walk(tree):
        yield from filter(_is_module, _names(node))


def _names(node: ast.AST) -> list[str]:
    """Modules that a statement imports, and what it takes from them; nothing for any other node."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.module:
        return [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return []
