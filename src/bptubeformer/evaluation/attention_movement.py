"""Attention and movement of every test segment, side by side; see ``movement`` for what it is for.

Letters: B segments, T frames, P parts, t tubelets along time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor

from bptubeformer.atomic import replacing
from bptubeformer.data.segments import Segments
from bptubeformer.errors import InputError
from bptubeformer.evaluation.inference import of_class_token
from bptubeformer.evaluation.movement import BETWEEN_PARTS, ORDERS, TUBELETS
from bptubeformer.evaluation.trained import TrainedFold, TrainedFolds
from bptubeformer.kinds import Seed
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.skeleton import Skeleton
from bptubeformer.study import MOVEMENT
from bptubeformer.training.forward import INFERENCE_BATCH


def write_attention_movement(
    models: TrainedFolds,
    seed: Seed = 0,
) -> None:
    """Compute attention and movement of test segments; write movement.parquet into each folder.

    Args:
        models: of the folds.
        seed: of the shuffled order of frames.

    Raises:
        InputError: files do not belong together, or a model has no tubelets of body parts.
    """
    for fold, place in models:
        write_of_fold(fold, seed, place / MOVEMENT)


def write_of_fold(fold: TrainedFold, seed: int, output: Path) -> None:
    """Write attention and movement of all test segments of a fold.

    Besides the columns of ``attention_movement``: ``window_start`` and ``trajectory``.

    Raises:
        InputError: the model has no tubelets of body parts.
    """
    if not isinstance(fold.model, BPTubeFormer):
        raise InputError(
            f"{fold.run['model']} has no attention to body parts; give a model of bptubeformer"
        )
    numbers = torch.tensor(fold.store.frame_number, device=fold.device)
    table = attention_movement(fold.model, fold.segments(), numbers, seed, fold.store.skeleton)
    table = table.assign(window_start=fold.starts, trajectory=fold.trajectory)
    table.attrs = {"model": fold.content}
    with replacing(output) as partial:
        table.to_parquet(partial, index=False)


@torch.inference_mode()
def attention_movement(
    model: BPTubeFormer, segments: Segments, frame_number: Tensor, seed: int, skeleton: Skeleton
) -> pd.DataFrame:
    """Attention and movement of every segment, in true and in shuffled order of its frames.

    Args:
        model: whose attention it is.
        segments: the test segments.
        frame_number: int32 (F,), number of each frame of the store in its video.
        seed: of the shuffling.
        skeleton: of the segments.

    Returns:
        a row a segment: ``speed <part>`` in pixels a frame; for each order, ``attention <part>
        <order>`` of the class token, ``tubelets <part> <order>``, the rank correlation over time,
        and ``between parts <order>``, that over parts. All floating-point.
    """
    model.eval()
    kernel, stride = model.tubelet_embedding.convolution.frames
    # On the CPU, so that every device sees the same order.
    generator = torch.Generator().manual_seed(seed)
    within = torch.arange(segments.length, device=segments.frames.device)
    rows = []
    batch_size = INFERENCE_BATCH[segments.frames.device.type]
    for begin in range(0, len(segments), batch_size):
        chosen = slice(begin, begin + batch_size)
        batch, _ = segments[chosen]
        by_frame = part_speeds(
            batch, frame_number[segments.starts[chosen, None] + within], skeleton
        )
        speed = by_frame.nanmean(-1)
        row = {f"speed {part}": speed[:, i].cpu().numpy() for i, part in enumerate(model.parts)}
        order = torch.rand(batch.shape[:2], generator=generator).argsort(1).to(batch.device)
        # A frame keeps the speed that it has in true order, wherever it comes to stand.
        shuffled = batch.gather(1, order[..., None].expand_as(batch))
        shuffled_speed = by_frame.gather(2, order[:, None].expand_as(by_frame))
        shown = ((batch, by_frame), (shuffled, shuffled_speed))
        for name, (frames, of_frames) in zip(ORDERS, shown, strict=True):
            attention: dict[str, list[Tensor]] = {}
            model.embed(frames, attention)
            of_tubelets = of_frames.unfold(-1, kernel, stride).nanmean(-1)
            to_parts, to_tubelets = part_attention(attention, model.parts, of_tubelets.shape[-1])
            row[f"{BETWEEN_PARTS} {name}"] = rank_correlation(to_parts, speed)
            over_time = rank_correlation(to_tubelets, of_tubelets)
            for i, part in enumerate(model.parts):
                row[f"attention {part} {name}"] = to_parts[:, i].cpu().numpy()
                row[f"{TUBELETS} {part} {name}"] = over_time[:, i]
        rows.append(pd.DataFrame(row))
    return pd.concat(rows, ignore_index=True)


def part_speeds(segments: Tensor, frame_number: Tensor, skeleton: Skeleton) -> Tensor:
    """Compute the speed of the joints of each part, frame by frame.

    The speed of a frame is the mean speed of the steps into it and out of it, over the joints of
    the part; steps from or to a missing joint (0, 0) are left out.

    Args:
        segments: float32 (B, T, V), pixels.
        frame_number: int32 (B, T), number of each frame in its video: a step over a gap took
            longer.
        skeleton: of the segments.

    Returns:
        float32 (B, P, T), pixels a frame of the video; NaN where no joint of the part can be
        followed.
    """
    # (B, T, V) -> (B, T, J, 2)
    joints = segments.unflatten(-1, (-1, 2))
    present = (joints != 0).any(dim=-1)
    # (B, T - 1, J)
    step = (joints[:, 1:] - joints[:, :-1]).norm(dim=-1) / frame_number.diff(dim=1)[..., None]
    step = step.where(present[:, 1:] & present[:, :-1], torch.nan)
    pad = step.new_full((len(step), 1, len(skeleton.joints)), torch.nan)
    # (B, T, J): steps into and out of each frame
    frame = torch.stack([torch.cat([pad, step], dim=1), torch.cat([step, pad], dim=1)]).nanmean(0)
    parts = [frame[..., members].nanmean(-1) for members in skeleton.members.values()]
    return torch.stack(parts, dim=1)


def part_attention(
    attention: dict[str, list[Tensor]], parts: Sequence[str], times: int
) -> tuple[Tensor, Tensor]:
    """Attention of the last layer that parts and tubelets receive, mean over heads.

    Args:
        attention: what ``BPTubeFormer.embed`` fills.
        parts: names of the body parts.
        times: tubelets along time, t.

    Returns:
        float32: of the class token to each part (B, P), and of all tubelets of a part to those at
        each time (B, P, t).
    """
    # (B, H, n, n) -> (B, n) -> (B, t): tubelets that lie on the same frames stand together
    received = [
        attention[part][-1].mean((1, 2)).unflatten(-1, (times, -1)).sum(-1) for part in parts
    ]
    return of_class_token(attention), torch.stack(received, dim=1)


def rank_correlation(first: Tensor, second: Tensor) -> np.ndarray:
    """Spearman's rho along the last axis, float64; NaN where a value is missing or all are equal.

    Args:
        first: floating-point (..., n).
        second: floating-point (..., n).
    """
    pair = (values.double().cpu().numpy() for values in (first, second))
    ranks = [rankdata(values, axis=-1, nan_policy="propagate") for values in pair]
    a, b = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    norm = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)
