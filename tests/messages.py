"""Every message of the package is produced by a test: run after ``pytest --cov``.

Lists each statement of ``src`` that refuses something, or that makes a sentence for somebody to
read, and that no test has executed; ends with status 1 where there is one.
"""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from coverage import Coverage

SOURCE = Path(__file__).parents[1] / "src"
SENTENCE = 3
"""Words of a text that somebody is to read."""


def messages(path: Path) -> set[int]:
    """Lines of the statements of a file that raise an exception, return one, or make a sentence.

    Only inside functions: what stands at the top of a module is always executed.
    """
    lines = set()
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                made = getattr(node, "exc", None) or getattr(node, "value", None)
                if (isinstance(node, ast.Raise) and isinstance(made, ast.Call)) or (
                    isinstance(node, ast.Assign | ast.AugAssign | ast.Return | ast.Yield)
                    and made is not None
                    and (makes_exception(made) or any(map(is_sentence, texts(made))))
                ):
                    lines.add(node.lineno)
    return lines


def makes_exception(node: ast.expr) -> bool:
    """Return True for an expression that calls the class of an exception."""
    name = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
    return name.endswith("Error") or name in ("Rejected", "NotRun", "Damaged")


def texts(node: ast.expr) -> Iterator[str]:
    """The texts in an expression, without what is put into them."""
    for inside in ast.walk(node):
        if isinstance(inside, ast.Constant) and isinstance(inside.value, str):
            yield inside.value


def is_sentence(text: str) -> bool:
    """Return True for a text that people read: not a list of columns, not a piece of code."""
    return len(text.split()) >= SENTENCE and not set(text) & set("{}<>=\n")


def main() -> None:
    """Compare with what the tests executed."""
    coverage = Coverage()
    coverage.load()
    data = coverage.get_data()
    count, missing = 0, []
    for path in sorted(SOURCE.rglob("*.py")):
        executed = set(data.lines(str(path)) or [])
        lines = messages(path)
        count += len(lines)
        missing += [f"{path.relative_to(SOURCE)}:{line}" for line in sorted(lines - executed)]
    print(f"{count - len(missing)} of {count} messages are produced by a test")
    sys.exit("\n".join(missing) or 0)


if __name__ == "__main__":
    main()
