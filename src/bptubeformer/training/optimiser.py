"""Optimisers as torch has them, but without importing the compiler that torch has too."""

import inspect
from typing import Any

import torch

for wrapped in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
    function: Any = inspect.unwrap(getattr(torch.optim.Optimizer, wrapped))
    # Where torch looks for the function without its compiler, before it imports that.
    function.__dynamo_disable = function


class _Uncompiled:
    """The base of optimisers that step as torch wrote it.

    The function that torch wraps a step in imports ``torch._dynamo``: half of the time from the
    start of a training to its first step.
    """

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Take a step."""
        inspect.unwrap(super().step)(self, closure)  # type: ignore[misc]


class Adam(_Uncompiled, torch.optim.Adam):  # type: ignore[misc]
    """``torch.optim.Adam``, to the bit."""


class AdamW(_Uncompiled, torch.optim.AdamW):  # type: ignore[misc]
    """``torch.optim.AdamW``, to the bit."""


class SGD(_Uncompiled, torch.optim.SGD):  # type: ignore[misc]
    """``torch.optim.SGD``, to the bit."""


class RMSprop(_Uncompiled, torch.optim.RMSprop):  # type: ignore[misc]
    """``torch.optim.RMSprop``, to the bit."""
