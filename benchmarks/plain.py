"""Code that a user would otherwise write: windows in memory, a DataLoader, a loop, or Lightning."""

import logging
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from bptubeformer.data.segments import Segments
from bptubeformer.models import build_model
from bptubeformer.models.plain import PLAIN


def plain_model(run: Mapping[str, Any], classes: int) -> nn.Module:
    """A run's model in the plain form; M1.2 has no other."""
    if run["model"] in PLAIN:
        return PLAIN[run["model"]](run, classes)
    return build_model(run, classes)


def materialised(segments: Segments) -> TensorDataset:
    """Every window copied out of the frames, on the CPU."""
    windows, labels = segments[slice(None)]
    return TensorDataset(windows.cpu(), labels.cpu())


def loader(data: TensorDataset, batch_size: int) -> DataLoader:
    """Shuffled batches, each window collated on its own, as a DataLoader does by default."""
    return DataLoader(
        data, batch_size=batch_size, shuffle=True, pin_memory=torch.cuda.is_available()
    )


def plain_epoch(model: nn.Module, batches: DataLoader, device: torch.device) -> Callable[[], float]:
    """An epoch of a plain loop: one optimiser for all calls."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.001, betas=(0.9, 0.98), eps=1e-9)

    def epoch() -> float:
        model.train()
        total = 0.0
        for windows, labels in batches:
            windows, labels = windows.to(device), labels.to(device)
            optimiser.zero_grad()
            loss = F.cross_entropy(model(windows), labels)
            loss.backward()
            optimiser.step()
            total += loss.item() * len(labels)
        return total

    return epoch


def lightning_epoch(model: nn.Module, batches: DataLoader) -> Callable[[], None]:
    """The same epoch by PyTorch Lightning's trainer."""
    import lightning

    warnings.filterwarnings("ignore", module="lightning")
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: list[torch.Tensor], index: int) -> torch.Tensor:
            windows, labels = batch
            return F.cross_entropy(self.model(windows), labels)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.001, betas=(0.9, 0.98), eps=1e-9)

    def epoch() -> None:
        trainer = lightning.Trainer(
            max_epochs=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
            enable_model_summary=False,
        )  # fmt: skip
        trainer.fit(Module(), batches)

    return epoch
