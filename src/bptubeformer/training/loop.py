"""The training of one model on one fold: paper, section 3, "Implementation details"."""

import copy
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError
from bptubeformer.training.precision import forward_in, products_in
from bptubeformer.training.step import Step

INFERENCE_BATCH = {"cpu": 100, "cuda": 1000}
"""Segments of a batch where no gradients are kept; on a CPU, what its caches hold is faster."""


@dataclass(frozen=True)
class TrainingSettings:
    """How a model is trained; what the paper leaves open is listed in docs/fidelity.md."""

    learning_rate: float = 0.001
    batch_size: int = 1000
    max_epochs: int = 100
    early_stopping_patience: int = 3
    """Epochs without a lower validation loss after which training stops."""
    betas: tuple[float, float] = (0.9, 0.98)
    epsilon: float = 1e-9
    plateau_patience: int = 3
    plateau_factor: float = 0.1
    precision: str = "fp32"
    """Of the matrix products: fp32, tf32 or bf16."""
    seed: int = 0


@dataclass(frozen=True)
class Epoch:
    """A row of ``history.csv``; losses are means over segments, in nats."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    seconds: float
    best: bool


@dataclass
class Training:
    """What a training came to: the weights of the best epoch, and all epochs."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)

    @property
    def best(self) -> Epoch:
        """The epoch with the lowest validation loss."""
        return min(self.history, key=lambda epoch: epoch.validation_loss)

    def rows(self) -> list[dict[str, object]]:
        """The history as rows of a table."""
        return [asdict(epoch) for epoch in self.history]


def seed_everything(seed: int) -> None:
    """Seed every global source of randomness: Python, NumPy, torch on all devices."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True


def train(
    model: nn.Module,
    train_segments: Segments,
    validation_segments: Segments,
    settings: TrainingSettings,
    report: Callable[[Epoch], None] = lambda epoch: None,
) -> Training:
    """Train until the validation loss has not fallen for ``early_stopping_patience`` epochs.

    Adam and cross-entropy; every epoch sees every training segment once, in an order drawn from a
    generator of its own. The test set is not seen here.

    Args:
        model: on the device of the segments; trained in place, left with its last weights.
        train_segments: what the weights are fitted to.
        validation_segments: what decides when to stop and which weights to keep.
        settings: of the optimiser, the schedule and the stopping.
        report: called after each epoch.

    Raises:
        InputError: the loss is no longer finite.
    """
    device = train_segments.frames.device
    order = torch.Generator(device=device).manual_seed(settings.seed)
    optimiser = make_optimiser(model, settings)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=settings.plateau_factor, patience=settings.plateau_patience
    )
    step = Step(model, optimiser, train_segments, settings.batch_size, settings.precision)
    training = Training()
    lowest, since_lowest = float("inf"), 0
    for number in range(1, settings.max_epochs + 1):
        began = time.perf_counter()
        train_loss = train_epoch(step, order)
        validation_loss, accuracy = evaluate(model, validation_segments, settings.precision)
        if not (np.isfinite(train_loss) and np.isfinite(validation_loss)):
            raise InputError(
                f"epoch {number}: the loss is not finite (training {train_loss}, validation "
                f"{validation_loss}); lower training.learning_rate (now {settings.learning_rate})"
            )
        best = validation_loss < lowest
        if best:
            lowest, since_lowest = validation_loss, 0
            training.weights = copy.deepcopy(model.state_dict())
        else:
            since_lowest += 1
        training.history.append(
            Epoch(
                epoch=number,
                train_loss=train_loss,
                validation_loss=validation_loss,
                validation_accuracy=accuracy,
                learning_rate=float(optimiser.param_groups[0]["lr"]),
                seconds=time.perf_counter() - began,
                best=best,
            )
        )
        report(training.history[-1])
        schedule.step(validation_loss)
        if since_lowest >= settings.early_stopping_patience:
            break
    return training


def make_optimiser(model: nn.Module, settings: TrainingSettings) -> torch.optim.Adam:
    """Adam, as one kernel, over the parameters of a model on its device."""
    device = next(model.parameters()).device
    captured = device.type == "cuda"
    rate = float(settings.learning_rate)
    return torch.optim.Adam(
        model.parameters(),
        # A tensor, where the step is captured: it then sees the learning rate fall.
        lr=torch.tensor(rate, device=device) if captured else rate,
        betas=(float(settings.betas[0]), float(settings.betas[1])),
        eps=settings.epsilon,
        fused=True,
        capturable=captured,
    )


def train_epoch(step: Step, order: torch.Generator) -> float:
    """One pass over the training segments; their mean loss while the weights moved.

    The device is waited for once, at the end.
    """
    step.model.train()
    count = len(step.segments)
    total = torch.zeros((), dtype=torch.float64, device=order.device)
    shuffled = torch.randperm(count, generator=order, device=order.device)
    for index in shuffled.split(step.batch_size):
        total += step(index) * len(index)
    return total.item() / count


def evaluate(model: nn.Module, segments: Segments, precision: str) -> tuple[float, float]:
    """Mean cross-entropy (nats) and accuracy over segments."""
    logits, labels = predict(model, segments, precision), segments.labels.long()
    loss = F.cross_entropy(logits, labels).item()
    accuracy = (logits.argmax(dim=1) == labels).double().mean().item()
    return loss, accuracy


def predict(model: nn.Module, segments: Segments, precision: str = "fp32") -> Tensor:
    """Logits float32 (N, classes) of all segments, in their order, on their device.

    Args:
        model: on the device of the segments.
        segments: to be classified.
        precision: of the matrix products.
    """
    with products_in(precision), forward_in(precision, segments.frames.device):
        return in_batches(lambda batch: model(batch).float(), model, segments)


@torch.inference_mode()
def in_batches(compute: Callable[[Tensor], Tensor], model: nn.Module, segments: Segments) -> Tensor:
    """What a model in evaluation mode makes of all segments, in their order, without gradients.

    Args:
        compute: of a batch of segments float32 (B, T, 34), a tensor (B, ...).
        model: what ``compute`` uses.
        segments: all that are to be computed.
    """
    model.eval()
    size = INFERENCE_BATCH[segments.frames.device.type]
    parts = range(0, len(segments), size)
    return torch.cat([compute(segments[slice(begin, begin + size)][0]) for begin in parts])
