"""The stage that says what a received run has proved, at which of three levels."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from bptubeformer.errors import InputError
from bptubeformer.fingerprint import package_fingerprint
from bptubeformer.kinds import Name
from bptubeformer.provenance.dataset import Source, fetch, other_data
from bptubeformer.provenance.expected import Expected
from bptubeformer.provenance.received import BASE, CHECKOUT, Received, opened, renamed
from bptubeformer.provenance.recompute import differences, recompute
from bptubeformer.provenance.records import Records
from bptubeformer.provenance.replay import Replay
from bptubeformer.provenance.retrain import LEAST, Again, chosen
from bptubeformer.study import MODEL
from bptubeformer.texts import shown
from bptubeformer.training.device import DEFAULT_MACHINE, Machine

NO_SOURCE = Source()
MOST_SHOWN = 20
"""Findings that are printed, besides the first, which is in the message."""


def check_crate(
    crate: Path,
    /,
    source: Source = NO_SOURCE,
    runs: list[Name] | None = None,
    retrain: str | None = None,
    machine: Machine = DEFAULT_MACHINE,
) -> None:
    """Verify a received crate: consistent; with the data also replayed; with a training reproduced.

    Args:
        crate: the archive of a crate, or the folder it was unpacked to.
        source: the dataset.
        runs: names of the runs that are replayed; left out: all.
        retrain: a training such as BPT-V2/fold0, which is done again with the data.
        machine: where models are used and trained.

    Raises:
        InputError: a file is missing, changed or not listed, records do not agree, or a result is
            not what the predictions, the models or the trainings make.
    """
    if retrain is not None and not source.data:
        raise InputError("--retrain needs the dataset; give it with --data")
    if source.data.startswith("doi:") and not source.server:
        raise InputError(
            f"--data {shown(source.data)} needs --server, the address of the Dataverse "
            "installation (dataset.server in config.yaml)"
        )
    with opened(crate) as received:
        expected = Expected(received)
        _consistent(expected)
        if not source.data:
            print("replayed: not tried; needs the dataset (--data)")
        else:
            with tempfile.TemporaryDirectory() as place, renamed(Path(place), ""):
                _with_data(expected, source, runs, retrain, machine, Path(place))
        if retrain is None:
            print("reproduced: not tried; trains a fold again (--data ... --retrain <run>/<fold>)")


def _consistent(expected: Expected) -> None:
    """Level 1: files as written, records that agree, tables that the predictions make."""
    crate = expected.crate
    _tell_code(crate)
    disagreements = Records(expected).disagreements()
    _refuse(crate, disagreements, "records that contradict each other")
    print(f"{len(expected.trained)} trainings: all records agree")
    with (
        tempfile.TemporaryDirectory() as place,
        renamed(Path(place), f"{crate.folder}/results/"),
    ):
        output = Path(place, crate.results.name)
        output.mkdir()
        recompute(crate, output)
        _refuse(crate, differences(crate, output), "files that are not what its predictions make")
    print("consistent: every record agrees, every table and verdict is what the predictions make")


def _tell_code(crate: Received) -> None:
    """Say whose code it is, and what is not looked at."""
    if not crate.other_code:
        print("computed by the code of this checkout")
    else:
        print(
            f"computed by other code than that of this checkout: {len(crate.other_code)} files "
            f"differ, the first: {shown(crate.other_code[0])}; its tables are computed by the code "
            "here"
        )
    if crate.code != package_fingerprint():
        print("not compared: the fingerprints of the code of its trainings")
    if crate.base.read_bytes() != (CHECKOUT / BASE).read_bytes():
        print(
            f"its {BASE} is not that of this checkout: its summary names the settings that differ "
            "from its own"
        )
    absent = sorted(set(crate.config["studies"]) - set(crate.studies))
    if absent:
        print(f"without results: the studies {', '.join(absent)}")


def _with_data(
    expected: Expected,
    source: Source,
    runs: list[str] | None,
    retrain: str | None,
    machine: Machine,
    work: Path,
) -> None:
    """Levels 2 and 3."""
    crate = expected.crate
    known = {one.run for one in expected.trained}
    for run in ("",) if runs == [] else runs or ():
        if run not in known:
            raise InputError(f"--runs {shown(run)}: no such run; one of {', '.join(sorted(known))}")
    one = None if retrain is None else chosen(expected, retrain)
    store = fetch(expected, source, work, machine.threads)
    differing = other_data(expected, store)
    _refuse(crate, differing, "differences between the data and what it says of the data")
    print(f"the data is that of {crate.name}: {expected.store.fingerprint}")
    replay = Replay(expected, store, machine)
    if crate.without:
        print(f"replayed: not possible, {len(crate.without)} models were left out of the crate")
    else:
        _refuse(crate, replay.differences(runs), "results that its models do not make")
        of = "all runs" if runs is None else f"the runs {', '.join(runs)}"
        print(f"replayed: the models of {of} make their results again, {replay.exactness()}")
    if one is not None:
        again = Again.train(expected, one, store, work, machine)
        print(_reproduced(crate, again, replay, store))


def _reproduced(crate: Received, again: Again, replay: Replay, store: Path) -> str:
    """Level 3: what a training that was done again has proved."""
    what = "results that the training does not make again"
    name = "/".join(again.one.folder.parts[-3:])
    if again.to_the_bit():
        _refuse(crate, again.exactly(), what)
        found = replay.of_fold(again.one, again.folder / MODEL, replay.machine.choose())
        _refuse(crate, found, what)
        return f"reproduced: the training of {name}, to the bit"
    if again.on_the_same_machine():
        place = replay.expected.file(again.one.folder)
        words = (
            f"{place}: on the same kind of processor, with as many threads and the same versions, "
            "another model comes of its settings and seed"
        )
        _refuse(crate, [words], what)
    if len(again.others) < LEAST:
        return (
            f"not decided: the training of {name} makes another model, its record names another "
            f"machine, and fewer than {LEAST} other trainings say how much they differ"
        )
    _refuse(crate, again.by_spread(store), what)
    return (
        f"reproduced: the training of {name}, within the spread of the others; to the bit needs "
        "the machine that its record names"
    )


def _refuse(crate: Received, found: Iterable[str], what: str) -> None:
    """Refuse a crate with faults: print them, and name the first in the message."""
    faults = list(found)
    for fault in faults[1 : MOST_SHOWN + 1]:
        print(f"{crate.name}: {shown(fault)}")
    if faults:
        raise InputError(
            f"{crate.name}: {len(faults)} {what}; the first: {shown(faults[0])}; ask who "
            "computed it, or compute it again"
        )
