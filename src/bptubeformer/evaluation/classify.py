"""Use a trained model: class probabilities of trajectories whose class nobody has told."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import softmax

from bptubeformer.atomic import write_csv
from bptubeformer.data.layout import find_unlabelled
from bptubeformer.data.reader import ingest
from bptubeformer.data.segments import Segments
from bptubeformer.data.store import FrameStore
from bptubeformer.data.windows import window_starts
from bptubeformer.errors import InputError
from bptubeformer.evaluation.inference import attention_to_parts
from bptubeformer.evaluation.metrics import average_by
from bptubeformer.kinds import Count
from bptubeformer.models import load_model
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.models.classifier import Classifier
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
    output: Path = Path("classified"),
    step: Count = 1,
    device: str = "auto",
    threads: Count = CPUS,
) -> None:
    """Classify trajectories with a trained model: probabilities, and attention to body parts.

    A trajectory and a video are classified by the mean of the logits of their segments, as in the
    tables of results.

    Args:
        model: model.safetensors, written by train.
        trajectories: a trajectory (.csv), or a folder of them at any depth; the folder that a file
            is in names its video, the file its person.
        output: folder for segments.csv, trajectories.csv, videos.csv and rejected.csv, the files
            that are not trajectories.
        step: rows between the starts of two segments.
        device: auto, cpu, cuda or cuda:<n>.
        threads: CPU threads; files are read by as many at a time.

    Raises:
        InputError: the model cannot be used, or there is nothing to classify.
    """
    torch.set_num_threads(threads)
    place = choose_device(device, slots_per_gpu=0)
    trained, run, categories, _, skeleton, _ = load_model(model)
    layout = find_unlabelled(trajectories, left_out=output)
    store, rejected = ingest(layout, threads, skeleton)
    rejected = rejected.drop(columns="category")
    write_csv(output / "rejected.csv", rejected)
    for row in rejected.itertuples():
        print(f"rejected: {row.file}: {row.reason}")
    length = run["segment_length"]
    starts, trajectory = window_starts(store.offsets, length, step)
    if not len(starts):
        raise InputError(
            f"{shown(trajectories)}: nothing to classify: of {len(layout.files)} trajectories, "
            f"{len(rejected)} cannot be read and {len(store.rows)} have fewer than the {length} "
            "rows of a segment of this model; give longer trajectories, or a model of shorter "
            "segments"
        )
    segments = Segments.unlabelled(store, starts, length, place)
    trained.to(place)
    classified = Classified(
        store=store,
        trajectory=trajectory,
        segments=store.trajectories[PERSON].iloc[trajectory].reset_index(drop=True).assign(
            first_frame=store.frame_number[starts],
            last_frame=store.frame_number[starts + length - 1],
        ),
        logits=predict(trained, segments).cpu().numpy(),
        attention=_attention(trained, segments),
        parts=trained.parts if isinstance(trained, BPTubeFormer) else (),
        categories=categories,
    )  # fmt: skip
    write_csv(output / "segments.csv", classified.by_segment())
    write_csv(output / "trajectories.csv", classified.by_trajectory())
    videos = classified.by_video()
    write_csv(output / "videos.csv", videos)
    for video in videos.head(SHOWN).itertuples():
        found = video.predicted if video.segments else f"nobody is seen for {length} rows"
        print(f"{shown(video.video)}: {found}")
    short = int((store.rows < length).sum())
    print(
        f"{len(starts)} segments of {len(store.rows) - short} trajectories in {len(videos)} "
        f"videos; {short} trajectories too short, {len(rejected)} files rejected; all in "
        f"{shown(output)}"
    )


def _attention(model: Classifier, segments: Segments) -> np.ndarray:
    if not isinstance(model, BPTubeFormer):
        return np.empty((len(segments), 0), np.float32)
    return attention_to_parts(model, segments).cpu().numpy()
