"""SIGTERM to Snakemake: its jobs are told to stop too, and end within seconds.

Snakemake alone waits for the jobs that run, for hours where they train. It may even wait for ever:
its handler takes a lock that the interrupted thread may hold (Snakemake 9.27,
``JobScheduler.exit_gracefully``), and Python calls no handler while the main thread waits for a
job and the system gave the signal to another thread.
"""

import logging
import os
import signal
import threading
from contextlib import suppress
from typing import Any

import psutil  # type: ignore[import-untyped]


class StopJobs(logging.Handler):
    """Takes over SIGTERM when Snakemake's scheduler, which sets a handler, starts its first job."""

    scheduler: Any = None
    """Handler of the scheduler; None until a job has started."""

    def emit(self, record: logging.LogRecord) -> None:
        """Take an event of Snakemake's logger; only the start of the first job changes anything."""
        event = getattr(getattr(record, "event", None), "name", None)
        main = threading.current_thread() is threading.main_thread()
        if event == "JOB_INFO" and main and self.scheduler is None:
            self.scheduler = signal.signal(signal.SIGTERM, lambda number, frame: None)
            received, number = os.pipe()
            os.set_blocking(number, False)
            signal.set_wakeup_fd(number)
            threading.Thread(target=self.listen, args=(received,), daemon=True).start()

    def listen(self, received: int) -> None:
        """Wait for signals in a thread of their own, which no lock of another one holds up."""
        while numbers := os.read(received, 1):
            if numbers[0] == signal.SIGTERM:
                self.stop()

    def stop(self) -> None:
        """Tell the scheduler to start no more jobs, and the stages that run to stop."""
        if callable(self.scheduler):
            self.scheduler(signal.SIGTERM, None)
        for process in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):  # it may have ended by itself
                if process.name().startswith("python"):
                    process.terminate()
