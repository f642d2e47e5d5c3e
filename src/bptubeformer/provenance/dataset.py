"""The dataset of a received run: bring it here, and compare it with what the run says of it."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from bptubeformer.config import SYNTHETIC, reading_of
from bptubeformer.data.acquire import acquire
from bptubeformer.data.archives import is_archive
from bptubeformer.data.ingest import write_store
from bptubeformer.data.manifest import Manifest
from bptubeformer.data.reader import text_of
from bptubeformer.data.store import FrameStore
from bptubeformer.data.summary import Summary
from bptubeformer.data.synthetic import write_synthetic
from bptubeformer.errors import InputError
from bptubeformer.evaluation.tables import read_table
from bptubeformer.kinds import Gigabytes, Options
from bptubeformer.provenance.crate import INPUTS
from bptubeformer.provenance.expected import Expected
from bptubeformer.reading import read_record, reading
from bptubeformer.settings import ReadingSettings
from bptubeformer.study import STORE
from bptubeformer.texts import shown

MANIFEST, SUMMARY, REJECTED = "manifest.json", "summary.json", "rejected.csv"
WHICH = ("category", "video", "person", "row", "column", "reason")
"""Columns of ``rejected.csv`` that are the same wherever the data is."""


@dataclass(frozen=True)
class Source(Options):
    """The dataset of a received run.

    Args:
        data: the dataset, as in dataset.source; each model classifies its test segments again.
        server: the Dataverse installation of a doi: dataset; that of the crate is not asked.
        max_gigabytes: no more is downloaded or unpacked.
        labels: the table of labels, where the run has one.
    """

    data: str = ""
    server: str = ""
    max_gigabytes: Gigabytes = 100
    labels: Path | None = None


def fetch(expected: Expected, source: Source, work: Path, threads: int) -> Path:
    """Bring the dataset of a received run here, and read it as the run did.

    Args:
        expected: of the run.
        source: where the data is.
        work: a folder for the manifest and what is unpacked.
        threads: files that are read at a time.

    Returns:
        The frame store in ``work``; the manifest, the summary and the list of rejected files are
        beside it.

    Raises:
        InputError: the data cannot be had or read.
    """
    crate, classes = expected.crate, list(expected.store.categories)
    manifest, store = work / MANIFEST, work / "frames.safetensors"
    if source.data == SYNTHETIC:
        made = crate.config.get("synthetic", {})
        write_synthetic(work / "raw", manifest, made.get("seed", 0), made.get("size", 1.0))
    else:
        acquire(
            source.data, work / "raw", manifest, source.server, max_gigabytes=source.max_gigabytes
        )
    settings = reading_of(crate.config)
    if settings["labels"] is not None:
        if source.labels is None:
            raise InputError(
                f"{crate.name}: its labels are in a table, {shown(settings['labels'])}; give that "
                "with --labels"
            )
        settings["labels"] = str(source.labels)
    write_store(manifest, store, classes, ReadingSettings(**settings), threads)
    return store


def other_data(expected: Expected, store: Path) -> Iterator[str]:
    """Yield where a dataset is not the one that a received run names, a line each.

    Args:
        expected: of the run.
        store: of the dataset, as ``fetch`` returns it.

    Raises:
        InputError: a file of the run is not what it should be.
    """
    crate, work = expected.crate, store.parent
    yield from _other_files(expected, read_record(work / MANIFEST, Manifest)["files"])
    place = expected.file(crate.results / STORE)
    found, made = expected.store, FrameStore.load(store)
    if found.fingerprint != made.fingerprint:
        yield (
            f"{place}, fingerprint: {found.fingerprint}; the frames of the data make "
            f"{made.fingerprint}"
        )
    elif (
        not found.trajectories.equals(made.trajectories)
        or found.categories != made.categories
        or found.skeleton.table != made.skeleton.table
    ):
        yield f"{place}: its trajectories, classes or joints are not those of the data"
    summary, rejected = crate.data / SUMMARY, crate.data / REJECTED
    if read_record(summary, Summary) != read_record(work / SUMMARY, Summary):
        yield f"{expected.file(summary)}: not the numbers of the data"
    if not _rejected(rejected).equals(_rejected(work / REJECTED)):
        yield f"{expected.file(rejected)}: not the rejected files of the data"


def _rejected(path: Path) -> pd.DataFrame:
    """The list of rejected files, without their places."""
    with reading(path, "a list of rejected files", "bptubeformer ingest"):
        return read_table(path)[list(WHICH)].astype(str)


def _other_files(expected: Expected, mine: Collection[Mapping[str, Any]]) -> Iterator[str]:
    """Yield the first file that a run and a source do not share.

    An archive may be given as the folder it was unpacked to: archives are passed over.
    """
    place = expected.file(expected.crate.results / INPUTS)

    def content(one: Mapping[str, Any]) -> tuple[Any, Any]:
        return one["sha256"], one["bytes"]

    def known(files: Collection[Mapping[str, Any]]) -> Counter[tuple[Any, Any]]:
        return Counter(content(one) for one in files if not is_archive(Path(one["path"])))

    theirs = expected.crate.inputs
    missing, more = known(theirs) - known(mine), known(mine) - known(theirs)
    here = {content(one) for one in mine}
    packed = [one for one in theirs if is_archive(Path(one["path"])) and content(one) not in here]
    if packed:
        print(f"not compared: {len(packed)} archives of {place}; only what was in them")
    for digests, files, words_for in (
        (missing, theirs, "is not in the data, or has another content there"),
        (more, mine, "is in the data, and not listed"),
    ):
        for one in files:
            if digests[content(one)]:
                name = shown(PurePosixPath(text_of(one["path"])).name)
                yield f"{place}: {sum(digests.values())} files; the first, {name}, {words_for}"
                break
