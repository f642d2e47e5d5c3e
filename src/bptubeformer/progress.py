"""The progress of a sweep: trainings that are done, and the time that is left, on the terminal."""

import logging
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable

TRAINING = "train"
"""Rule of a training."""


class SweepProgress(logging.Handler):
    """Says, after each training, how many are done and about how long the sweep will still take.

    It listens to the events of Snakemake's logger. The time left is that of the jobs left, at the
    mean time of the finished jobs of their rule, with as many at a time as until now. Runs differ
    in cost, so it is an estimate that gets better.

    Args:
        say: called with each line.
        clock: gives the time in seconds.
    """

    def __init__(
        self,
        say: Callable[[str], None] = lambda line: print(line, file=sys.stderr, flush=True),
        clock: Callable[[], float] = time.monotonic,
    ):
        super().__init__()
        self.say = say
        self.clock = clock
        self.began = clock()
        self.planned: Counter[str] = Counter()
        self.running: dict[int, tuple[str, float]] = {}
        self.seconds: dict[str, list[float]] = defaultdict(list)

    def emit(self, record: logging.LogRecord) -> None:
        """Take an event; other records are passed over."""
        event = getattr(getattr(record, "event", None), "name", None)
        if event == "RUN_INFO":
            self.began = self.clock()
            self.planned = Counter(getattr(record, "stats", {}))
            self.planned.pop("total", None)
        elif event == "JOB_INFO":
            self.running[record.jobid] = record.rule_name, self.clock()  # type: ignore[attr-defined]
        elif event == "JOB_FINISHED":
            rule, began = self.running.pop(record.job_id, ("", 0.0))  # type: ignore[attr-defined]
            if rule:
                self.seconds[rule].append(self.clock() - began)
            # A job that Snakemake runs in a process of its own has no plan.
            if rule == TRAINING and self.planned:
                self.say(self.line())

    def line(self) -> str:
        """Return the line that is said after a training."""
        done, planned = len(self.seconds[TRAINING]), self.planned[TRAINING]
        return f"Trainings: {done} of {planned} done; time left: about {words(self.left())}"

    def left(self) -> float:
        """Estimate the seconds that the jobs left will take together."""
        now = self.clock()
        finished = [value for values in self.seconds.values() for value in values]
        usual = sum(finished) / len(finished)
        work = 0.0
        for rule, count in self.planned.items():
            of_rule = self.seconds[rule]
            mean = sum(of_rule) / len(of_rule) if of_rule else usual
            begun = [now - began for name, began in self.running.values() if name == rule]
            work += mean * (count - len(of_rule)) - sum(min(mean, spent) for spent in begun)
        spent = sum(finished) + sum(now - began for _, began in self.running.values())
        at_a_time = max(spent / max(now - self.began, 1e-9), 1.0)
        return max(work, 0.0) / at_a_time


def words(seconds: float) -> str:
    """Return a time as a person says it: 40 s, 12 min, 3 h 20 min."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
