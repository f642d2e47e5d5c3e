from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util.tensor_util import make_ndarray

from bptubeformer.training.loop import Epoch
from bptubeformer.training.scalars import TAGS, Scalars


def epoch(number):
    return Epoch(number, 2.0 / number, 3.0 / number, 0.1 * number, 0.001, 1.5, best=True)


def events(folder):
    found = EventAccumulator(str(folder)).Reload()
    return {
        tag: [(e.step, round(float(make_ndarray(e.tensor_proto)), 4)) for e in found.Tensors(tag)]
        for tag in TAGS
    }


def test_epochs_can_be_read_while_the_training_runs_and_once_after_a_resume(tmp_path):
    scalars = Scalars(tmp_path / "fold0")
    scalars.add(epoch(1))
    assert events(tmp_path / "fold0")["loss/validation"] == [(1, 3.0)]
    scalars.add(epoch(2))  # lost with the process: its checkpoint had the first alone
    resumed = Scalars(tmp_path / "fold0", [epoch(1)])
    resumed.add(epoch(2))
    resumed.close()
    found = events(tmp_path / "fold0")
    assert found["loss/training"] == [(1, 2.0), (2, 1.0)]
    assert found["accuracy/validation"] == [(1, 0.1), (2, 0.2)]
    assert found["learning rate"] == [(1, 0.001), (2, 0.001)]
