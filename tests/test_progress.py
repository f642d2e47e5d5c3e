import logging
from types import SimpleNamespace

import pytest

from bptubeformer.progress import SweepProgress, words


@pytest.fixture
def sweep():
    """A handler with a clock of ours, what it says, and a function that sends it an event."""
    now, lines = [0.0], []
    handler = SweepProgress(lines.append, lambda: now[0])

    def send(at, event, **about):
        now[0] = at
        record = logging.makeLogRecord({"event": SimpleNamespace(name=event), **about})
        handler.emit(record)

    return send, lines


def test_after_each_training_the_time_left_is_told(sweep):
    send, lines = sweep
    send(0, "RUN_INFO", stats={"train": 4, "predict": 2, "total": 6})
    send(0, "JOB_INFO", jobid=1, rule_name="train")
    send(0, "JOB_INFO", jobid=2, rule_name="train")
    send(100, "JOB_FINISHED", job_id=1)
    # Two at a time, 100 s each: one ends now, two are left, and two tests as long.
    assert lines == ["Trainings: 1 of 4 done; time left: about 3 min"]
    send(100, "JOB_INFO", jobid=3, rule_name="train")
    send(110, "JOB_INFO", jobid=4, rule_name="predict")
    send(120, "JOB_FINISHED", job_id=4)
    assert len(lines) == 1
    send(200, "JOB_FINISHED", job_id=3)
    assert lines[1].startswith("Trainings: 2 of 4 done; time left: about ")


def test_other_records_are_passed_over(sweep):
    send, lines = sweep
    send(0, "PROGRESS", done=1, total=2)
    send(1, "JOB_FINISHED", job_id=99)
    send(2, None)
    assert lines == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3.4, "3 s"), (59.4, "59 s"), (90, "2 min"), (3600, "1 h 0 min"), (12_000, "3 h 20 min")],
)
def test_times_are_told_as_people_say_them(seconds, text):
    assert words(seconds) == text
