"""Trained weights with which another training begins, and the epochs of others.

ViViT begins the filters of tubelets with those of single frames (Arnab's talk); see
docs/fidelity.md.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from bptubeformer.errors import InputError
from bptubeformer.models.classifier import Classifier
from bptubeformer.models.files import load_model
from bptubeformer.models.tubelets import TubeletConvolution
from bptubeformer.settings import TrainingSettings
from bptubeformer.study import HISTORY, MODEL
from bptubeformer.training.record import read_history


def start_from(model: Classifier, folder: Path, filters: str) -> None:
    """Give a model the weights of a trained one.

    Args:
        model: of the training that begins.
        folder: of the trained fold.
        filters: how filters of one frame become those of several: ``inflated``: each frame has an
            equal share of them; ``frame-<n>``: frame n of the tubelet has all; ``same``: they have
            as many frames.

    Raises:
        InputError: the folder has no trained model, or one whose weights do not fit.
    """
    weights = load_model(folder / MODEL).model.state_dict()
    for name, module in model.named_modules():
        key = f"{name}.weight"
        if filters != "same" and isinstance(module, TubeletConvolution) and key in weights:
            weights[key] = over_frames(weights[key], module.weight.shape[3], filters, folder)
    own = model.state_dict()
    for name in dict.fromkeys([*own, *weights]):
        here, there = (
            tuple(found[name].shape) if name in found else None for found in (own, weights)
        )
        if here != there:
            raise InputError(
                f"{folder / MODEL}: its weight {name} has the shape {there}, the model that starts "
                f"from it {here}; start_from needs a run of the same sizes, but for the frames of "
                "its kernel"
            )
    model.load_state_dict(weights)


def over_frames(weight: Tensor, frames: int, filters: str, folder: Path) -> Tensor:
    """Return filters of one frame as filters of several.

    Args:
        weight: float32 (G, e, 2, 1, R, C).
        frames: of the new filters.
        filters: ``inflated`` or ``frame-<n>``.
        folder: of the trained fold, for messages.

    Returns:
        float32 (G, e, 2, frames, R, C).

    Raises:
        InputError: they have several frames already, or frame n does not exist.
    """
    if weight.shape[3] != 1:
        raise InputError(
            f"{folder / MODEL}: its kernel has {weight.shape[3]} frames; filters = {filters} needs "
            "a run whose kernel has one"
        )
    shares = torch.full((frames,), 1 / frames)
    if filters != "inflated":
        frame = int(filters.removeprefix("frame-"))
        if frame >= frames:
            raise InputError(
                f"filters = {filters}: the kernel has {frames} frames; use at most "
                f"frame-{frames - 1}"
            )
        shares = (torch.arange(frames) == frame).float()
    return weight * shares.view(-1, 1, 1)


def resolved(settings: TrainingSettings, others: Path | None) -> TrainingSettings:
    """Return settings with the number of epochs that those of other trainings have together.

    Raises:
        InputError: one of the trainings is not there.
    """
    if not settings.epochs_of:
        return settings
    histories = [folder_of(others, run) / HISTORY for run in settings.epochs_of]
    epochs = sum(len(read_history(path)) for path in histories)
    return replace(settings, max_epochs=epochs, early_stopping_patience=epochs)


def folder_of(others: Path | None, run: str) -> Path:
    """Return the folder of the fold of another run.

    Raises:
        InputError: the pattern of these folders was not given.
    """
    if others is None:
        raise InputError(
            f"the training needs that of {run}; give --others with the folder of a fold, with "
            "{run} for the name of the run and {fold} for the number of the fold"
        )
    return Path(str(others).replace("{run}", run))
