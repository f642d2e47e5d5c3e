"""Searches for weights without gradients: adaptive seagull optimisation, and a random search.

Badhagouni et al., IJIEMR 2023, who do not state its constants; see docs/fidelity.md. Letters: N
positions, D weights.
"""

import math

import torch
from torch import Tensor
from torch.nn.utils import parameters_to_vector, vector_to_parameters

from bptubeformer.data.segments import Segments
from bptubeformer.models.classifier import Classifier
from bptubeformer.settings import TrainingSettings
from bptubeformer.training.forward import evaluate
from bptubeformer.training.recipe import Recipe

POSITIONS = 20
"""N, candidates of an iteration, in either search: an epoch has as many evaluations."""
BOUND = 1.0
"""Weights lie between this and its negative."""
FREQUENCY = 2.0
"""F_c, from which the control of movement falls to 0."""
SPIRAL = (1.0, 0.1)
"""p and q of the radius p exp(k q) of the attack."""
SEGMENTS = 2000
"""Of the validation set, by which a position is judged: its first ones in a random order."""


class Search:
    """The state of a search; an iteration is an epoch of the training.

    Args:
        model: whose parameters are searched.
        settings: of the training.
        recipe: whose validation loss is lowered.
    """

    def __init__(self, model: Classifier, settings: TrainingSettings, recipe: Recipe):
        self.model, self.settings, self.recipe = model, settings, recipe
        like = parameters_to_vector(model.parameters()).detach()
        self.positions = torch.empty(0, len(like), device=like.device)
        self.best = like
        self.loss = torch.full((), math.inf)

    def iterate(self, number: int, segments: Segments) -> None:
        """Try N positions, and give the model the best that was ever tried.

        Args:
            number: of the iteration, from 1.
            segments: by which positions are judged.
        """
        if number == 1 or self.settings.optimiser == "random-search":
            tried = self._random()
            if self.settings.optimiser == "seagull":
                tried = torch.cat([tried[::2], -tried[::2]])[:POSITIONS]
        else:
            tried = self._flown(number)
        losses = torch.tensor([self._judge(position, segments) for position in tried])
        self.positions = tried
        if losses.min() < self.loss:
            self.best, self.loss = tried[losses.argmin()], losses.min()
        vector_to_parameters(self.best, self.model.parameters())

    def state(self) -> dict[str, Tensor]:
        """Return what the iterations to come depend on."""
        return {"positions": self.positions, "best": self.best, "loss": self.loss}

    def restore(self, state: dict[str, Tensor]) -> None:
        """Go back to a state."""
        self.positions, self.best = (state[key].to(self.best) for key in ("positions", "best"))
        self.loss = state["loss"]

    def _random(self) -> Tensor:
        return BOUND * (2 * torch.rand(POSITIONS, len(self.best), device=self.best.device) - 1)

    def _flown(self, number: int) -> Tensor:
        """Return the positions after migration and attack."""
        control = FREQUENCY * (1 - (number - 1) / self.settings.max_epochs)
        random = torch.rand(len(self.positions), 1, device=self.best.device)
        migration = 2 * control**2 * random * (self.best - self.positions)
        distance = (control * self.positions + migration).abs()
        angle = 2 * math.pi * torch.rand(len(self.positions), 1, device=self.best.device)
        radius = SPIRAL[0] * (SPIRAL[1] * angle).exp()
        spiral = radius * angle.cos() * radius * angle.sin() * radius * angle
        return (distance * spiral + self.best).clamp(-BOUND, BOUND)

    def _judge(self, position: Tensor, segments: Segments) -> float:
        vector_to_parameters(position, self.model.parameters())
        return evaluate(self.model, segments, self.settings.precision, self.recipe.validation_loss)[
            0
        ]
