"""Metadata of safetensors files: a mapping beside the arrays.

As one entry, because safetensors writes several entries in no fixed order: equal content then
makes equal files.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bptubeformer.sections import Record, accept
from bptubeformer.texts import shown

if TYPE_CHECKING:
    from torch import Tensor

ENTRY = "about"


def pack(about: Mapping[str, Any]) -> dict[str, str]:
    """The metadata of a file to write; ``about`` is anything that JSON can hold."""
    return {ENTRY: json.dumps(about)}


def unpack(metadata: Mapping[str, str] | None) -> dict[str, Any]:
    """Return the dictionary that ``pack`` packed.

    Raises:
        KeyError: the file was not written by this package.
    """
    return json.loads((metadata or {})[ENTRY])


def describe(metadata: Mapping[str, str] | None, kind: type[Record], path: Path) -> dict[str, Any]:
    """Return the mapping that ``pack`` packed, as its description accepts it.

    Args:
        metadata: of the file.
        kind: the description of the mapping.
        path: of the file, for messages.

    Raises:
        InputError: names the key that is wrong.
        KeyError: the file was not written by this package.
    """
    return accept(kind, unpack(metadata), shown(path))


def content_of(tensors: Mapping[str, "Tensor"], about: Mapping[str, Any]) -> str:
    """Hash of tensors on the CPU, of any shape and type, and of what is said about them."""
    import torch

    digest = hashlib.sha256(json.dumps(dict(about), sort_keys=True).encode())
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
