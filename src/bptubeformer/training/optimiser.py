"""Adam as torch has it, but without importing the compiler that torch has too."""

import inspect
from typing import Any

import torch

STEP = inspect.unwrap(torch.optim.Adam.step)
"""Adam's step as torch wrote it; what torch wraps it in imports ``torch._dynamo``: half of the time
from the start of a training to its first step."""

for wrapped in ("add_param_group", "load_state_dict", "state_dict", "zero_grad"):
    function: Any = inspect.unwrap(getattr(torch.optim.Optimizer, wrapped))
    # Where torch looks for the function without its compiler, before it imports that.
    function.__dynamo_disable = function


class Adam(torch.optim.Adam):
    """``torch.optim.Adam``, to the bit."""

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Take a step."""
        STEP(self, closure)
