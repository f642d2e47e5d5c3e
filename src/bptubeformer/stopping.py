"""SIGTERM to Snakemake: its jobs are told to stop too, and end within seconds.

Snakemake alone waits for the jobs that run, for hours where they train; and it may wait for ever,
because its handler takes a lock that the interrupted thread may hold (Snakemake 9.27,
``JobScheduler.exit_gracefully``).
"""

import logging
import signal
import threading
from contextlib import suppress
from types import FrameType

import psutil  # type: ignore[import-untyped]


class StopJobs(logging.Handler):
    """Takes over SIGTERM when Snakemake's scheduler, which sets a handler, starts its first job."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = signal.getsignal(signal.SIGTERM)

    def emit(self, record: logging.LogRecord) -> None:
        """Take an event of Snakemake's logger; all but the start of a job are passed over."""
        event = getattr(getattr(record, "event", None), "name", None)
        here = threading.current_thread() is threading.main_thread()
        if event == "JOB_INFO" and here and signal.getsignal(signal.SIGTERM) != self.stop:
            self.scheduler = signal.signal(signal.SIGTERM, self.stop)

    def stop(self, number: int, frame: FrameType | None) -> None:
        """Tell the scheduler to start no more jobs, and the stages that run to stop."""
        if callable(self.scheduler):
            # In a thread of its own: it waits until this one has given back the lock.
            threading.Thread(target=self.scheduler, args=(number, frame), daemon=True).start()
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it may have ended by itself
                if process.name().startswith("python"):
                    process.terminate()
