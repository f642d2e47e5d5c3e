"""The state that an interrupted training leaves behind, from which the next one continues."""

import hashlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from bptubeformer.atomic import remove_partial, replacing
from bptubeformer.errors import InputError
from bptubeformer.metadata import content_of, pack, unpack

FILE = "checkpoint.safetensors"
"""Beside the outputs of a training; removed once they are written."""


class Checkpoint:
    """The state of a training after a whole epoch, in one file.

    A file protects work, so its interval is a time: a long epoch is written when it ends, of short
    ones that which ends after the interval. A training that is told to stop, or that fails, writes
    its last whole epoch; one that is killed loses at most the interval and an epoch.

    Args:
        path: of the file.
        report: called with a line where a file is used, and where it is not.
        seconds: the interval; 0 writes every epoch.
    """

    settings: Mapping[str, Any]
    """Everything that the numbers of a training depend on; a file of other settings is stale."""

    def __init__(self, path: Path, report: Callable[[str], None] = print, seconds: float = 0):
        self.path = path
        self.report = report
        self.seconds = seconds
        self.settings = {}
        self._written = time.monotonic()
        self._unwritten: tuple[dict[str, Tensor], Mapping[str, Any]] | None = None

    @property
    def key(self) -> str:
        """Hash of the settings."""
        return hashlib.sha256(json.dumps(self.settings, sort_keys=True).encode()).hexdigest()

    def keep(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Take the state after an epoch; write it if the interval is over.

        Args:
            tensors: weights, moments of the optimiser, states of generators; copied.
            state: everything else, as JSON has it.
        """
        copies = {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}
        self._unwritten = copies, state
        if time.monotonic() - self._written >= self.seconds:
            self.write()

    def write(self) -> None:
        """Write the last epoch that was taken, unless that was done: whole or not at all."""
        if self._unwritten is None:
            return
        # Taken first: what could not be written is not tried again on the way out.
        (on_cpu, state), self._unwritten = self._unwritten, None
        on_cpu = {name: value.contiguous() for name, value in on_cpu.items()}
        about = {"key": self.key, "state": state, "content": content_of(on_cpu, state)}
        with replacing(self.path) as partial:
            save_file(on_cpu, partial, metadata=pack(about))
        self._written = time.monotonic()

    @contextmanager
    def written_at_the_end(self) -> Iterator[None]:
        """Write the last whole epoch if the block ends before the outputs are written.

        SIGTERM ends the block, too.
        """
        with _told_to_stop():
            try:
                yield
            except BaseException:
                try:
                    self.write()
                except (OSError, InputError) as error:
                    self.report(f"{self.path.name} cannot be written: {error}")
                raise

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
                        "the training starts again"
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
                f"{self.path.name} cannot be read ({error}): not used, the training starts again"
            )
            return None

    def remove(self) -> None:
        """Remove the file: the training has written its outputs."""
        self.path.unlink(missing_ok=True)
        remove_partial(self.path)


@contextmanager
def _told_to_stop() -> Iterator[None]:
    """Raise SystemExit on SIGTERM: what Snakemake, Slurm and systemd send before they kill."""

    def stop(number: int, _: object) -> None:
        # Told twice, it still writes its checkpoint.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
