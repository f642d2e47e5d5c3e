"""What an interrupted training leaves behind, so that the next one goes on where it stopped."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bptubeformer.atomic import remove_partial, replacing
from bptubeformer.metadata import content_of, pack, unpack

FILE = "checkpoint.safetensors"
"""Beside the outputs of a training; removed once they are written."""


class Checkpoint:
    """The state of a training after its last whole epoch, in one file.

    Args:
        path: of the file.
        report: called with a line where a file is used, and where it is not.
    """

    settings: Mapping[str, Any]
    """Everything that the numbers of a training depend on; a file of other settings is stale."""

    def __init__(self, path: Path, report: Callable[[str], None] = print):
        self.path = path
        self.report = report
        self.settings = {}

    @property
    def key(self) -> str:
        """Hash of the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    def save(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Replace the file, whole or not at all.

        Args:
            tensors: weights, moments of the optimiser, states of generators.
            state: everything else, as JSON has it.
        """
        on_cpu = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        about = {"key": self.key, "state": state, "content": content_of(on_cpu, state)}
        with replacing(self.path) as partial:
            save_file(on_cpu, partial, metadata=pack(about))

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Tensors and state of the file; None where there is none of this training."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, framework="pt") as file:
                about = unpack(file.metadata())
                if about["key"] != self.key:
                    self.report(
                        f"{self.path.name} is of another configuration, data or code: not used, "
                        "the training begins anew"
                    )
                    return None
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
                if about["content"] != content_of(tensors, about["state"]):
                    raise ValueError("its content is not what was written")
                epochs = len(about["state"]["history"])
                self.report(f"going on after epoch {epochs}, from {self.path.name}")
                return tensors, about["state"]
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            self.report(
                f"{self.path.name} cannot be read ({error}): not used, the training begins anew"
            )
            return None

    def remove(self) -> None:
        """Remove the file: the training has written its outputs."""
        self.path.unlink(missing_ok=True)
        remove_partial(self.path)
