"""Jobs on a trained model: predict a fold's test segments, embed them, attend to one of them."""

from pathlib import Path

import pandas as pd
import torch
from scipy.special import softmax

from bptubeformer.data.segments import Segments
from bptubeformer.data.splits import Split
from bptubeformer.data.trajectories import FrameStore
from bptubeformer.errors import InputError
from bptubeformer.evaluation.inference import attention_of, embed
from bptubeformer.evaluation.inspection import (
    Embeddings,
    SegmentAttention,
    choose_segment,
    sample_per_class,
)
from bptubeformer.evaluation.predictions import (
    load_predictions,
    prediction_table,
    save_predictions,
)
from bptubeformer.models import load_model
from bptubeformer.training.device import choose_device
from bptubeformer.training.loop import predict


def predict_fold(
    store_file: Path,
    split_file: Path,
    model_file: Path,
    batch_size: int,
    device_name: str,
    threads: int,
    output: Path,
) -> None:
    """Logits of all test segments of a fold, written as ``predictions.parquet``."""
    torch.set_num_threads(threads)
    device = choose_device(device_name)
    store, split = FrameStore.load(store_file), Split.load(split_file)
    model, run, categories = load_model(model_file)
    check_categories(model_file, categories, store)
    starts, trajectory = split.windows("test")
    segments = Segments.of(store, starts, trajectory, run["segment_length"], device)
    logits = predict(model.to(device), segments, batch_size).cpu().numpy()
    labels = store.labels[trajectory]
    save_predictions(output, prediction_table(starts, trajectory, labels, logits, categories))
    correct = float((logits.argmax(axis=1) == labels).mean())
    print(f"{len(starts)} test segments, {100 * correct:.1f} % classified correctly")


def embed_fold(
    store_file: Path,
    split_file: Path,
    model_file: Path,
    per_class: int,
    seed: int,
    batch_size: int,
    device_name: str,
    threads: int,
    output: Path,
) -> None:
    """Class-token embeddings of at most ``per_class`` test segments of each class."""
    torch.set_num_threads(threads)
    device = choose_device(device_name)
    store, split = FrameStore.load(store_file), Split.load(split_file)
    model, run, categories = load_model(model_file)
    check_categories(model_file, categories, store)
    starts, trajectory = split.windows("test")
    chosen = sample_per_class(store.labels[trajectory], per_class, seed)
    starts, trajectory = starts[chosen], trajectory[chosen]
    segments = Segments.of(store, starts, trajectory, run["segment_length"], device)
    embedding, predicted = embed(model.to(device), segments, batch_size)
    Embeddings(embedding, store.labels[trajectory], predicted, tuple(categories)).save(output)


def attend_segment(
    store_file: Path, model_file: Path, predictions_file: Path, category: str, output: Path
) -> None:
    """Attention of the last layer for the test segment that ``choose_segment`` chooses."""
    store = FrameStore.load(store_file)
    model, run, categories = load_model(model_file)
    check_categories(model_file, categories, store)
    labels, logits, _ = load_predictions(predictions_file)
    chosen = choose_segment(labels, logits, categories, category)
    row = pd.read_parquet(predictions_file, columns=["window_start", "trajectory"]).iloc[chosen]
    rows = slice(row["window_start"], row["window_start"] + run["segment_length"])
    segment = store.frames[rows]
    person = store.trajectories.iloc[row["trajectory"]]
    probability = softmax(logits[chosen])
    SegmentAttention(
        segment=segment,
        frame_number=store.frame_number[rows],
        attention=attention_of(model, torch.tensor(segment)),
        text={
            "category": str(person["category"]),
            "video": str(person["video"]),
            "person": str(person["person"]),
            "predicted": categories[int(probability.argmax())],
            "probability": f"{probability.max():.4f}",
        },
    ).save(output)


def check_categories(model_file: Path, categories: list[str], store: FrameStore) -> None:
    """Refuse a model of other classes than the data.

    Raises:
        InputError: names both.
    """
    if tuple(categories) != store.categories:
        raise InputError(
            f"{model_file}: trained for the classes {', '.join(categories)}, but the data has "
            f"{', '.join(store.categories)}; train it again on this data"
        )
