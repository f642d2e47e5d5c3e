"""A received file with any value in any field: one line or a correct result, within seconds."""

import random
import shutil
import tempfile
from pathlib import Path

import pytest

from bptubeformer.data.splits import Split
from bptubeformer.data.store import FrameStore
from bptubeformer.data.summary import Summary
from bptubeformer.errors import InputError
from bptubeformer.evaluation.inspection import Embeddings, SegmentAttention
from bptubeformer.evaluation.movement import read_movement
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.models.files import load_model
from bptubeformer.provenance.check import check_crate
from bptubeformer.provenance.received import METADATA, Inputs, _results
from bptubeformer.reading import read_record
from bptubeformer.skeleton import COCO_17
from bptubeformer.training.record import TrainingRecord
from mutations import mutations, read, within_seconds, write
from provenance.tiny import RESULTS, Forger

# test_check and the tests of each reader execute the same lines: count them once.
pytestmark = pytest.mark.no_cover
FOLD = RESULTS / "video" / "tubelets" / "fold0"
READERS = {
    RESULTS / "inputs.json": lambda path: read_record(path, Inputs),
    RESULTS / "data" / "summary.json": lambda path: read_record(path, Summary),
    RESULTS / "data" / "frames.safetensors": FrameStore.outline,
    RESULTS / "data" / "splits" / "video" / "T12" / "fold0.parquet": Split.load,
    FOLD / "run.json": lambda path: read_record(path, TrainingRecord),
    FOLD / "model.safetensors": load_model,
    FOLD / "predictions.parquet": Predictions.load,
    FOLD / "embeddings.safetensors": Embeddings.load,
    FOLD / "attention.safetensors": SegmentAttention.load,
    FOLD / "movement.parquet": lambda path: read_movement(path, COCO_17),
    RESULTS / "config.json": lambda path: _results(path.parents[2], path.parents[2]),
}
ALL = (*READERS, Path(METADATA))
SAMPLE = 40


@pytest.fixture(scope="module")
def copy(crate, tmp_path_factory):
    return shutil.copytree(crate, tmp_path_factory.mktemp("copy") / "crate")


def outcome(action, *arguments):
    """The message of an action; None where it is content."""
    with within_seconds():
        try:
            action(*arguments)
        except InputError as error:
            assert "\n" not in str(error)
            return str(error)
    return None


@pytest.mark.parametrize("name", READERS, ids=lambda name: name.name)
def test_each_file_is_read_or_refused_in_one_line(name, crate, copy):
    """All but some fields of a long file."""
    sound = read(crate / name)
    assert outcome(READERS[name], crate / name) is None
    made = list(mutations(sound))
    messages = []
    for make in random.Random(0).sample(made, min(len(made), 400)):
        write(copy / name, make())
        messages.append(outcome(READERS[name], copy / name))
    shutil.copy(crate / name, copy / name)
    refused = [message for message in messages if message]
    assert refused
    assert all(str(copy / name) in message for message in refused)


def checked(crate, name, content):
    """Check a crate in which a file says something else, and is signed."""
    with tempfile.TemporaryDirectory(dir=crate.parent) as place:
        folder = shutil.copytree(crate, Path(place, "crate"))
        write(folder / name, content)
        if name != Path(METADATA):
            Forger(folder).sign_files()
        return outcome(check_crate, folder)


def sampled(count):
    """Some mutations of every file."""
    for number in range(count):
        yield ALL[number % len(ALL)], number


@pytest.mark.parametrize(("name", "number"), sampled(SAMPLE), ids=str)
def test_a_mutated_crate_is_checked_or_refused_in_one_line(name, number, crate):
    make = random.Random(number).choice(list(mutations(read(crate / name))))
    checked(crate, name, make())


@pytest.mark.fuzz
@pytest.mark.parametrize("name", ALL, ids=lambda name: name.name)
def test_other_mutations_of_a_crate_are_checked_or_refused_in_one_line(name, crate):
    made = list(mutations(read(crate / name)))
    for make in random.Random().sample(made, min(len(made), 100)):
        checked(crate, name, make())
