"""The stage that says what a received run has proved, at which of three levels."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

from bptubeformer.errors import InputError
from bptubeformer.fingerprint import package_fingerprint
from bptubeformer.kinds import Name
from bptubeformer.provenance.received import Received, opened, renamed
from bptubeformer.provenance.recompute import differences, recompute
from bptubeformer.provenance.records import Records
from bptubeformer.provenance.replay import Replay, data_of
from bptubeformer.provenance.retrain import Again, chosen
from bptubeformer.texts import shown
from bptubeformer.training.device import DEFAULT_MACHINE, Machine

MOST_SHOWN = 20
"""Findings that are printed, besides the first, which is in the message."""


def check_crate(
    crate: Path,
    /,
    data: str | None = None,
    runs: list[Name] | None = None,
    retrain: str | None = None,
    labels: Path | None = None,
    machine: Machine = DEFAULT_MACHINE,
) -> None:
    """Verify a received crate: consistent; with the data also replayed; with a training reproduced.

    Args:
        crate: the archive of a crate, or the folder it was unpacked to.
        data: the dataset, as in dataset.source; each model classifies its test segments again.
        runs: names of the runs that are replayed; left out: all.
        retrain: a training such as BPT-V2/fold0, which is done again with the data.
        labels: the table of labels, where the run has one.
        machine: where models are used and trained.

    Raises:
        InputError: a file is missing, changed or not listed, records do not agree, or a result is
            not what the predictions, the models or the trainings make.
    """
    if retrain is not None and data is None:
        raise InputError("--retrain needs the dataset; give it with --data")
    with opened(crate) as received:
        records = Records(received)
        _consistent(received, records)
        if data is None:
            print("replayed: not tried; needs the dataset (--data)")
        else:
            with tempfile.TemporaryDirectory() as place, renamed(Path(place), ""):
                _with_data(records, data, runs, retrain, labels, machine, Path(place))
        if retrain is None:
            print("reproduced: not tried; trains a fold again (--data ... --retrain <run>/<fold>)")


def _consistent(crate: Received, records: Records) -> None:
    """Level 1: files as written, records that agree, tables that the predictions make."""
    same = "the code of this package"
    here = crate.code == package_fingerprint()
    print(f"computed by {same if here else 'other code: ' + crate.code}")
    _refuse(crate, records.disagreements(), "records that contradict each other")
    print(f"{len(records.trained)} trainings: all records agree")
    with tempfile.TemporaryDirectory() as place, renamed(Path(place), f"{crate.folder}/results/"):
        output = Path(place, crate.results.name)
        output.mkdir()
        recompute(crate, output)
        _refuse(crate, differences(crate, output), "files that are not what its predictions make")
    print("consistent: every record agrees, every table and verdict is what the predictions make")


def _with_data(
    records: Records,
    data: str,
    runs: list[str] | None,
    retrain: str | None,
    labels: Path | None,
    machine: Machine,
    work: Path,
) -> None:
    """Levels 2 and 3."""
    crate = records.crate
    known = {one.run for one in records.trained}
    for run in runs or ():
        if run not in known:
            raise InputError(f"--runs {shown(run)}: no such run; one of {', '.join(sorted(known))}")
    one = None if retrain is None else chosen(records, retrain)
    store, faults = data_of(records, data, labels, work, machine.threads)
    _refuse(crate, faults, "differences between the data and what it says of the data")
    print(f"the data is that of {crate.name}: {records.store.fingerprint}")
    if crate.without:
        print(f"replayed: not possible, {len(crate.without)} models were left out of the crate")
    else:
        replay = Replay(records, store, machine)
        _refuse(crate, replay.differences(runs), "results that its models do not make")
        exact = "to the bit" if not replay.largest else f"within {replay.largest:.1e}"
        print(f"replayed: the models make their predictions again, {exact}")
    if one is not None:
        again = Again.train(records, one, store, work, machine)
        _refuse(crate, again.differences(store), "results that the training does not make again")
        name = "/".join(one.folder.parts[-3:])
        exact = "to the bit" if again.to_the_bit() else "within the spread of the recorded ones"
        print(f"reproduced: the training of {name}, {exact}")


def _refuse(crate: Received, found: Iterable[str], what: str) -> None:
    """Refuse a crate with faults: print them, and name the first in the message."""
    faults = list(found)
    for fault in faults[1 : MOST_SHOWN + 1]:
        print(f"{crate.name}: {fault}")
    if faults:
        raise InputError(
            f"{crate.name}: {len(faults)} {what}; the first: {faults[0]}; ask who computed it, or "
            "compute it again"
        )
