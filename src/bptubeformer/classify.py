"""Use a trained model: class probabilities of trajectories whose class nobody has told."""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from bptubeformer.atomic import write_csv
from bptubeformer.data.ingest import read_source, store_of, table_of_rejected
from bptubeformer.data.labels import Clip
from bptubeformer.data.recordings import format_of
from bptubeformer.data.segments import Segments
from bptubeformer.data.store import FrameStore
from bptubeformer.data.windows import window_starts
from bptubeformer.errors import InputError
from bptubeformer.evaluation.inference import attention_to_parts
from bptubeformer.evaluation.metrics import average_by
from bptubeformer.figures.film import Actor, write_film
from bptubeformer.kinds import Count, Device, FilmKind, Flag, FormatName, Identity, ImageSize
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.files import load_model
from bptubeformer.settings import ReadingSettings
from bptubeformer.texts import shown
from bptubeformer.training.device import choose_device
from bptubeformer.training.forward import predict

CPUS = os.cpu_count() or 1
PERSON = ["video", "person"]
SHOWN = 20
"""Videos that are printed; the table has all of them."""


@dataclass(frozen=True)
class Classified:
    """A model's results for the segments of some trajectories."""

    store: FrameStore
    trajectory: np.ndarray
    """int64 (n,): trajectory of each segment."""
    starts: np.ndarray
    """int64 (n,): first row of each segment in the store."""
    segments: pd.DataFrame
    """n rows: video, person, first_frame, last_frame."""
    logits: np.ndarray
    """float32 (n, classes)."""
    attention: np.ndarray
    """float32 (n, parts): of the class token to each body part, mean over the heads of the last
    layer; no columns for a model without body parts."""
    parts: Sequence[str]
    categories: Sequence[str]

    def by_segment(self) -> pd.DataFrame:
        """A row a segment: ``segments``, then the columns of ``_described``."""
        return self.segments.join(self._described(self.logits, self.attention))

    def by_trajectory(self) -> pd.DataFrame:
        """A row a trajectory: video, person, rows, segments, then the columns of ``_described``.

        One that is too short for a segment has 0 segments and no values.
        """
        people = self.store.trajectories[[*PERSON, "rows"]]
        return self._averaged(people, self.trajectory)

    def by_video(self) -> pd.DataFrame:
        """A row a video: video, trajectories, rows, segments, and the columns of ``_described``."""
        videos = self.store.trajectories.groupby("video", sort=False)
        rows = videos["rows"].agg(trajectories="size", rows="sum").reset_index()
        return self._averaged(rows, videos.ngroup().to_numpy()[self.trajectory])

    def _averaged(self, rows: pd.DataFrame, group: np.ndarray) -> pd.DataFrame:
        """Rows with the mean of the logits, and of the attention, of the segments of each."""
        counts = np.bincount(group, minlength=len(rows))
        kept, _, logits = average_by(group, group, self.logits)
        attention = self.attention[:0]
        if self.attention.shape[1]:
            _, _, attention = average_by(group, group, self.attention)
        described = self._described(logits, attention).set_index(kept)
        return rows.assign(segments=counts).join(described)

    def _described(self, logits: np.ndarray, attention: np.ndarray) -> pd.DataFrame:
        """predicted, probability_<class> for each class, attention_<part> for each body part."""
        probability = softmax(logits.astype(np.float64), axis=1)
        predicted = [self.categories[i] for i in probability.argmax(axis=1)]
        columns: dict[str, Any] = {"predicted": predicted}
        columns |= {f"probability_{c}": probability[:, i] for i, c in enumerate(self.categories)}
        columns |= {f"attention_{p}": attention[:, i] for i, p in enumerate(self.parts)}
        return pd.DataFrame(columns)


def classify_trajectories(
    model: Path,
    trajectories: Path,
    /,
    output: Path | None = None,
    step: Count = 1,
    format: FormatName = "auto",
    image_size: ImageSize | None = None,
    identity: Identity = "tracked",
    device: Device = "auto",
    threads: Count = CPUS,
    force: Flag = False,
    video: FilmKind | None = None,
) -> None:
    """Classify trajectories with a trained model: probabilities, and attention to body parts.

    A trajectory and a video are classified by the mean of the logits of their segments, as in the
    tables of results.

    Args:
        model: model.safetensors, written by train.
        trajectories: a file or folder of any format of docs/own-data.md; in the layout of HR-Crime,
            the folder that a file is in names its video, the file its person.
        output: folder for segments.csv, trajectories.csv, videos.csv and rejected.csv, the files
            that are not trajectories; left out: classified/<name of the file or folder>.
        step: rows between the starts of two segments.
        format: what wrote the files; auto: told from their content.
        image_size: width and height in pixels, where coordinates are shares of the image.
        identity: tracked, or given: refuse files that do not say who is who.
        device: auto, cpu, cuda or cuda:<n>.
        threads: CPU threads; files are read by as many at a time.
        force: write over the tables of an earlier call.
        video: mp4 or gif: draw the people of each video with class, probability and attention;
            films are written to the folder films of the output.

    Raises:
        InputError: the model cannot be used, or there is nothing to classify.
    """
    torch.set_num_threads(threads)
    place = choose_device(device, slots_per_gpu=0)
    output = output or Path("classified", trajectories.resolve().stem)
    if (output / "segments.csv").exists() and not force:
        raise InputError(
            f"{shown(output)}: tables of an earlier call; give another --output, or --force to "
            "write over them"
        )
    trained = load_model(model)
    network, skeleton = trained.model.to(place), trained.skeleton
    reading = ReadingSettings(format=format, image_size=image_size, identity=identity)
    kind = format_of([trajectories], reading)
    found, _ = read_source([trajectories], kind, skeleton, reading, threads, left_out=output)
    rejected = table_of_rejected(found).drop(columns="category")
    clips = [
        Clip("", "/".join(one.name), one.person, one.number, one.frames)
        for one in found.trajectories
    ]
    store = store_of(clips, [""], skeleton)
    if found.inferred:
        print(f"identities inferred by tracking in {found.inferred} recordings")
    _compare(store, trained.extent)
    write_csv(output / "rejected.csv", rejected)
    for row in rejected.itertuples():
        print(f"rejected: {row.file}: {row.reason}")
    length = trained.run["segment_length"]
    starts, trajectory = window_starts(store.offsets, length, step)
    if not len(starts):
        raise InputError(
            f"{shown(trajectories)}: nothing to classify: of {len(clips) + len(rejected)} "
            f"trajectories, {len(rejected)} cannot be read and {len(clips)} have fewer than the "
            f"{length} rows of a segment of this model; give longer trajectories, or a model of "
            "shorter segments"
        )
    segments = Segments.unlabelled(store, starts, length, place)
    logits = predict(network, segments).cpu().numpy()
    if not np.isfinite(logits).all():
        raise InputError(
            f"{shown(model)}: gives values that are not finite; train it again with: bptubeformer "
            "train"
        )
    classified = Classified(
        store=store,
        trajectory=trajectory,
        starts=starts,
        segments=store.trajectories[PERSON].iloc[trajectory].reset_index(drop=True).assign(
            first_frame=store.frame_number[starts],
            last_frame=store.frame_number[starts + length - 1],
        ),
        logits=logits,
        attention=_attention(network, segments),
        parts=network.parts if isinstance(network, BPTubeFormer) else (),
        categories=trained.categories,
    )  # fmt: skip
    write_csv(output / "segments.csv", classified.by_segment())
    write_csv(output / "trajectories.csv", classified.by_trajectory())
    videos = classified.by_video()
    write_csv(output / "videos.csv", videos)
    if video is not None:
        for name, actors in islice(films_of(classified, length), SHOWN):
            film = output / "films" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', shown(name))}.{video}"
            of_model = network.skeleton if isinstance(network, BPTubeFormer) else skeleton
            write_film(film, of_model, actors)
            print(f"drawn: {film}")
    for one in videos.head(SHOWN).itertuples():
        text = one.predicted if one.segments else f"nobody is seen for {length} rows"
        print(f"{shown(one.video)}: {text}")
    short = int((store.rows < length).sum())
    print(
        f"{len(starts)} segments of {len(store.rows) - short} trajectories in {len(videos)} "
        f"videos; {short} trajectories too short, {len(rejected)} files rejected; all in "
        f"{shown(output)}"
    )


def films_of(classified: Classified, length: int) -> Iterator[tuple[str, list[Actor]]]:
    """Yield each video with its people, and what the model says of them at each frame.

    Args:
        classified: segments and their results.
        length: rows of a segment.
    """
    store = classified.store
    probability = softmax(classified.logits.astype(np.float64), axis=1)
    parts = classified.attention.shape[1]
    for video, people in store.trajectories.groupby("video", sort=False):
        actors = []
        for trajectory in people.index:
            begin, end = store.offsets[trajectory : trajectory + 2]
            total = np.zeros((end - begin, probability.shape[1] + parts))
            covered = np.zeros(end - begin)
            for segment in np.flatnonzero(classified.trajectory == trajectory):
                first = classified.starts[segment] - begin
                rows = slice(first, first + length)
                total[rows] += [*probability[segment], *classified.attention[segment]]
                covered[rows] += 1
            mean = total / np.maximum(covered, 1)[:, None]
            of_classes, attention = np.split(mean, [probability.shape[1]], axis=1)
            text = [
                f"{classified.categories[row.argmax()]} {row.max():.0%}" if seen else ""
                for row, seen in zip(of_classes, covered, strict=True)
            ]
            joints = np.asarray(store.frames[begin:end]).reshape(end - begin, -1, 2)
            actors.append(
                Actor(people.at[trajectory, "person"], store.frame_number[begin:end], joints, text,
                      attention.astype(np.float32))
            )  # fmt: skip
        if any(actor.joints.any() for actor in actors):
            yield video, actors


def _compare(store: FrameStore, extent: Sequence[float] | None) -> None:
    """Say where people are in another place of the image than those of the training."""
    own = store.extent()
    if own is None or extent is None:
        return
    for axis, name in enumerate("xy"):
        (low, high), (least, most) = (ends[2 * axis : 2 * axis + 2] for ends in (own, extent))
        width = max(most - least, 1.0)
        if low < least - width / 2 or high > most + width / 2 or high - low < width / 20:
            print(
                f"{name} lies between {low:.0f} and {high:.0f} pixels here, between {least:.0f} "
                f"and {most:.0f} in the training: another camera or image size; expect less"
            )


def _attention(model: Classifier, segments: Segments) -> np.ndarray:
    if not isinstance(model, BPTubeFormer):
        return np.empty((len(segments), 0), np.float32)
    return attention_to_parts(model, segments).cpu().numpy()
