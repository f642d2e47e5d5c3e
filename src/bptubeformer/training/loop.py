"""The training of one model on one fold: paper, section 3, "Implementation details"."""

import copy
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError
from bptubeformer.models.classifier import Classifier
from bptubeformer.settings import SEARCHES, TrainingSettings
from bptubeformer.training.checkpoint import Checkpoint
from bptubeformer.training.forward import evaluate
from bptubeformer.training.optimiser import SGD, Adam, AdamW, RMSprop
from bptubeformer.training.recipe import Recipe
from bptubeformer.training.search import SEGMENTS, Search
from bptubeformer.training.step import Step

SCHEDULE_STATE = ("best", "num_bad_epochs", "cooldown_counter", "last_epoch")
"""What of ReduceLROnPlateau changes from epoch to epoch."""


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
    """The result of a training: the weights of the best epoch, and all epochs."""

    weights: dict[str, Tensor] = field(default_factory=dict)
    history: list[Epoch] = field(default_factory=list)
    resumed_after: list[int] = field(default_factory=list)
    """Epochs after which a process went on where another was interrupted."""
    micro_batch: int = 0
    """Segments of which gradients are computed at a time; those of a batch are summed."""
    captured: bool = False
    """Whether steps were replayed as CUDA graphs."""

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


class Trainer:
    """The state of a training between epochs: what an interrupted one needs to go on.

    Args:
        model: on the device of the segments; trained in place.
        segments: the training segments.
        settings: of the optimiser, the schedule and the stopping.
        say: called with a line where memory is too short or a CUDA graph fails.
        recipe: changes of the segments, and their loss; that of the settings if left out.
    """

    def __init__(
        self,
        model: Classifier,
        segments: Segments,
        settings: TrainingSettings,
        say: Callable[[str], None] = print,
        recipe: Recipe | None = None,
    ):
        device = segments.frames.device
        self.model = model
        self.settings = settings
        self.recipe = recipe or Recipe(settings)
        self.training = Training()
        self.order = torch.Generator(device=device).manual_seed(settings.seed)
        self.optimiser = make_optimiser(model, settings)
        self.schedule = make_schedule(self.optimiser, settings)
        searched = settings.optimiser in SEARCHES
        self.search = Search(model, settings, self.recipe) if searched else None
        self.step = Step(
            model, self.optimiser, segments, settings.batch_size, settings.precision,
            captured=settings.optimiser == "adam", report=say, recipe=self.recipe,
        )  # fmt: skip

    @property
    def done(self) -> bool:
        """True when the training has ended."""
        return has_ended([epoch.validation_loss for epoch in self.training.history], self.settings)

    def epoch(self, validation_segments: Segments) -> Epoch:
        """One epoch: train, validate, lower the learning rate on a plateau.

        Raises:
            InputError: the loss is no longer finite; names the epoch and the batch.
        """
        began = time.perf_counter()
        number, settings = len(self.training.history) + 1, self.settings
        rate = self.rate
        if self.search:
            train_loss = self._search(self.search, number, validation_segments)
        else:
            train_loss = self._train(number)
        validation_loss, accuracy = evaluate(
            self.model, validation_segments, settings.precision, self.recipe.validation_loss
        )
        if not np.isfinite(validation_loss):
            raise not_finite(f"epoch {number}: the validation loss", validation_loss, settings)
        history = self.training.history
        best = not history or validation_loss < self.training.best.validation_loss
        if best:
            self.training.weights = copy.deepcopy(self.model.state_dict())
        epoch = Epoch(
            epoch=number,
            train_loss=train_loss,
            validation_loss=validation_loss,
            validation_accuracy=accuracy,
            learning_rate=self.rate,
            seconds=time.perf_counter() - began,
            best=best,
        )
        history.append(epoch)
        self.rate = rate
        next_rate(self.optimiser, self.schedule, settings, number, validation_loss)
        return epoch

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return float(self.optimiser.param_groups[0]["lr"])

    @rate.setter
    def rate(self, value: float) -> None:
        set_rate(self.optimiser, value)

    def _train(self, number: int) -> float:
        losses, sizes = train_epoch(self.step, self.order, self._warm_up(number))
        unsound = np.flatnonzero(~np.isfinite(losses))
        if len(unsound):
            batch = unsound[0]
            where = f"epoch {number}, batch {batch + 1} of {len(losses)}: the training loss"
            raise not_finite(where, losses[batch], self.settings)
        return float((losses * sizes).sum() / sizes.sum())

    def _search(self, search: Search, number: int, validation_segments: Segments) -> float:
        # The same segments in each epoch, of a generator that draws nothing else.
        order = torch.Generator().manual_seed(self.settings.seed)
        chosen = torch.randperm(len(validation_segments), generator=order)[:SEGMENTS]
        search.iterate(number, validation_segments.at(chosen.to(self.order.device)))
        return evaluate(
            self.model, self.step.segments, self.settings.precision, self.recipe.validation_loss
        )[0]

    def _warm_up(self, number: int) -> Callable[[float], None] | None:
        """Return what sets the learning rate at a share of an epoch; None after the warm-up."""
        epochs, full = self.settings.warmup_epochs, self.rate
        if number > epochs:
            return None
        return lambda share: set_rate(self.optimiser, full * warmed_up(number - 1 + share, epochs))

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the epochs to come depend on: tensors, and the rest as JSON has it."""
        tensors = {f"model.{name}": value for name, value in self.model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in self.training.weights.items()}
        for index, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": value for name, value in moments.items()}
        tensors |= {
            "generator.order": self.order.get_state(),
            "generator.cpu": torch.get_rng_state(),
        }
        if self.search:
            tensors |= {f"search.{name}": value for name, value in self.search.state().items()}
        if self.order.device.type == "cuda":
            tensors["generator.cuda"] = torch.cuda.get_rng_state(self.order.device)
        return tensors, {
            "history": self.training.rows(),
            "resumed_after": self.training.resumed_after,
            "schedule": {name: getattr(self.schedule, name) for name in SCHEDULE_STATE},
            "learning_rate": self.rate,
            "micro_batch": self.step.micro_batch,
        }

    def restore(self, tensors: Mapping[str, Tensor], state: Mapping[str, Any]) -> None:
        """Go back to a state; the epochs that follow are those that would have followed."""

        def named(prefix: str) -> dict[str, Tensor]:
            return {
                name.removeprefix(prefix): value
                for name, value in tensors.items()
                if name.startswith(prefix)
            }

        device = self.order.device
        self.model.load_state_dict(named("model."))
        self.training.weights = {name: value.to(device) for name, value in named("best.").items()}
        self.training.history = [Epoch(**row) for row in state["history"]]
        self.training.resumed_after = [*state["resumed_after"], len(self.training.history)]
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in named("optimiser.").items():
            index, _, moment = name.partition(".")
            moments.setdefault(int(index), {})[moment] = value
        rate = self.optimiser.param_groups[0]["lr"]
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.schedule.load_state_dict(state["schedule"])
        self.step.micro_batch = state["micro_batch"]
        self.optimiser.param_groups[0]["lr"] = rate
        self.rate = state["learning_rate"]
        if self.search:
            self.search.restore(named("search."))
        self.order.set_state(tensors["generator.order"])
        torch.set_rng_state(tensors["generator.cpu"])
        if device.type == "cuda":
            torch.cuda.set_rng_state(tensors["generator.cuda"], device)


def not_finite(what: str, value: float, settings: TrainingSettings) -> InputError:
    """Return the refusal of a loss that is not finite."""
    return InputError(
        f"{what} is not finite ({value}); lower training.learning_rate (now "
        f"{settings.learning_rate}) or set training.precision to fp32 (now {settings.precision})"
    )


def train(
    model: Classifier,
    train_segments: Segments,
    validation_segments: Segments,
    settings: TrainingSettings,
    report: Callable[[Epoch], None] = lambda epoch: None,
    checkpoint: Checkpoint | None = None,
    begun: tuple[Mapping[str, Tensor], Mapping[str, Any]] | None = None,
    say: Callable[[str], None] = print,
    recipe: Recipe | None = None,
) -> Training:
    """Train until the validation loss has not fallen for ``early_stopping_patience`` epochs.

    In the paper by Adam and cross-entropy. Every epoch sees every training segment once, in an
    order drawn from a generator of its own. The test set is not seen here.

    Args:
        model: on the device of the segments; trained in place, left with its last weights.
        train_segments: what the weights are fitted to.
        validation_segments: what decides when to stop and which weights to keep.
        settings: of the optimiser, the schedule and the stopping.
        report: called after each epoch.
        checkpoint: where the training leaves its state.
        begun: what an interrupted training left there, as ``Checkpoint.load`` gives it; this one
            goes on from it. On a CPU with as many threads, to the bit.
        say: called with a line where memory is too short or a CUDA graph fails.
        recipe: changes of the segments, and their loss; that of the settings if left out.

    Raises:
        InputError: the loss is no longer finite, or memory is too short for one segment.
    """
    trainer = Trainer(model, train_segments, settings, say, recipe)
    if begun is not None:
        trainer.restore(*begun)
    while not trainer.done:
        epoch = trainer.epoch(validation_segments)
        if checkpoint:
            checkpoint.keep(*trainer.state())
        report(epoch)
    trainer.training.micro_batch = trainer.step.micro_batch
    trainer.training.captured = bool(trainer.step.replays)
    return trainer.training


def make_optimiser(model: nn.Module, settings: TrainingSettings) -> torch.optim.Optimizer:
    """Make the optimiser of the parameters of a model on its device."""
    device = next(model.parameters()).device
    rate = float(settings.learning_rate)
    moments: dict[str, Any] = {"momentum": settings.momentum, "weight_decay": settings.weight_decay}
    if settings.optimiser in ("sgd", *SEARCHES):
        return SGD(model.parameters(), lr=rate, nesterov=settings.nesterov, fused=True, **moments)
    if settings.optimiser == "rmsprop":
        return RMSprop(model.parameters(), lr=rate, eps=settings.epsilon, **moments)
    captured = settings.optimiser == "adam" and device.type == "cuda"
    return (Adam if settings.optimiser == "adam" else AdamW)(
        model.parameters(),
        # A tensor, where the step is captured: it then sees the learning rate fall.
        lr=torch.tensor(rate, device=device) if captured else rate,
        betas=(float(settings.betas[0]), float(settings.betas[1])),
        eps=settings.epsilon,
        weight_decay=settings.weight_decay,
        fused=True,
        capturable=captured,
    )


def set_rate(optimiser: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate; where a captured step reads it, in place."""
    (group,) = optimiser.param_groups
    if isinstance(group["lr"], Tensor):
        group["lr"].fill_(value)
    else:
        group["lr"] = value


def warmed_up(epochs: float, warmup_epochs: int) -> float:
    """Share of the full learning rate after so many epochs."""
    return min(epochs / warmup_epochs, 1.0) if warmup_epochs else 1.0


def make_schedule(
    optimiser: torch.optim.Optimizer, settings: TrainingSettings
) -> torch.optim.lr_scheduler.ReduceLROnPlateau:
    """The schedule that lowers the learning rate where the validation loss does not fall."""
    return torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimiser, factor=settings.plateau_factor, patience=settings.plateau_patience
    )


def next_rate(
    optimiser: torch.optim.Optimizer,
    plateau: torch.optim.lr_scheduler.ReduceLROnPlateau,
    settings: TrainingSettings,
    epochs: int,
    validation_loss: float,
) -> None:
    """Set the learning rate of the epoch that follows so many epochs.

    Args:
        optimiser: whose learning rate it is.
        plateau: made by ``make_schedule``.
        settings: with the schedule.
        epochs: that are over.
        validation_loss: of the last.
    """
    full = settings.learning_rate
    if settings.schedule == "plateau":
        plateau.step(validation_loss)
    elif settings.schedule == "milestones":
        passed = sum(epochs >= milestone for milestone in settings.milestones)
        set_rate(optimiser, full * settings.plateau_factor**passed)
    elif settings.schedule == "cosine":
        set_rate(optimiser, full * (1 + math.cos(math.pi * epochs / settings.max_epochs)) / 2)


def has_ended(validation_losses: Sequence[float], settings: TrainingSettings) -> bool:
    """Return True if a training with these losses, an epoch each, has ended."""
    epochs = len(validation_losses)
    if epochs == 0:
        return False
    since_best = epochs - 1 - int(np.argmin(validation_losses))
    return epochs >= settings.max_epochs or since_best >= settings.early_stopping_patience


def rates_of(validation_losses: Sequence[float], settings: TrainingSettings) -> list[float]:
    """Learning rate of each epoch that the schedule makes of validation losses."""
    optimiser = make_optimiser(nn.Linear(1, 1), settings)
    schedule = make_schedule(optimiser, settings)
    rates = []
    for epoch, loss in enumerate(validation_losses, start=1):
        full = float(optimiser.param_groups[0]["lr"])
        rates.append(full * warmed_up(epoch, settings.warmup_epochs))
        next_rate(optimiser, schedule, settings, epoch, loss)
    return rates


def train_epoch(
    step: Step, order: torch.Generator, begin: Callable[[float], None] | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """One pass over the training segments, in an order drawn from a generator.

    The device is waited for once, at the end.

    Args:
        step: of the training.
        order: the generator.
        begin: called before each step with the share of the epoch that ends with it.

    Returns:
        Mean loss of each batch before its step, float64 (batches,), and its segments int64
        (batches,).
    """
    step.model.train()
    batches = torch.randperm(len(step.segments), generator=order, device=order.device).split(
        step.batch_size
    )
    losses = torch.zeros(len(batches), dtype=torch.float64, device=order.device)
    for number, index in enumerate(batches):
        if begin:
            begin((number + 1) / len(batches))
        losses[number] = step(index)
    return losses.cpu().numpy(), np.array([len(index) for index in batches])
