"""The paper's printed numbers, from the one file that holds them."""

from functools import cache
from pathlib import Path
from typing import Any

import yaml

FILE = Path(__file__).with_name("paper.yaml")


@cache
def printed() -> dict[str, Any]:
    """Tables 1 and 2 as printed: ``table_1`` and ``table_2``, each by run name."""
    return yaml.safe_load(FILE.read_text(encoding="utf-8"))
