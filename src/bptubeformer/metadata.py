"""What stands in a safetensors file beside its arrays.

As one entry, because safetensors writes several entries in no fixed order: equal content then
makes equal files.
"""

import json
from collections.abc import Mapping
from typing import Any

ENTRY = "about"


def pack(about: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of a file to write; ``about`` is anything that JSON can hold."""
    return {ENTRY: json.dumps(about)}


def unpack(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """What was packed.

    Raises:
        KeyError: the file was not written by this package.
    """
    return json.loads((metadata or {})[ENTRY])
