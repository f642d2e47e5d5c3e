"""Every refusal of the package is produced by a test: run after ``pytest --cov``.

Lists each statement of ``src`` that raises, or makes, an exception of its own and that no test has
executed; ends with status 1 where there is one.
"""

import ast
import sys
from pathlib import Path

from coverage import Coverage

SOURCE = Path(__file__).parents[1] / "src"


def refusals(path: Path) -> set[int]:
    """Lines of the statements of a file that raise an exception with a message, or return one."""
    lines = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        made = node.exc if isinstance(node, ast.Raise) else None
        if isinstance(node, ast.Return):
            made = node.value
        if isinstance(made, ast.Call):
            name = ast.unparse(made.func)
            raised = isinstance(node, ast.Raise)
            if raised or name.endswith("Error") or name in ("Rejected", "NotRun"):
                lines.add(node.lineno)
    return lines


def main() -> None:
    """Compare with what the tests executed."""
    coverage = Coverage()
    coverage.load()
    data = coverage.get_data()
    count, missing = 0, []
    for path in sorted(SOURCE.rglob("*.py")):
        executed = set(data.lines(str(path)) or [])
        lines = refusals(path)
        count += len(lines)
        missing += [f"{path.relative_to(SOURCE)}:{line}" for line in sorted(lines - executed)]
    print(f"{count - len(missing)} of {count} refusals are produced by a test")
    sys.exit("\n".join(missing) or 0)


if __name__ == "__main__":
    main()
