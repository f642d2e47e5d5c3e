"""Attention and movement of every segment, side by side; see ``movement`` for what it is for.

Letters: B segments, T frames, P parts, t tubelets along time.
"""

import numpy as np
import pandas as pd
import torch
from scipy.stats import rankdata
from torch import Tensor

from bptubeformer.data.segments import Segments
from bptubeformer.evaluation.movement import BETWEEN_PARTS, ORDERS, TUBELETS
from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.skeleton import JOINTS, PARTS


def part_speeds(segments: Tensor, kernel: int, stride: int) -> tuple[Tensor, Tensor]:
    """How fast the joints of each part move.

    The speed of a frame is the mean length of the steps into it and out of it; steps from or to a
    missing joint (0, 0) are left out.

    Args:
        segments: float32 (B, T, 34), pixels.
        kernel: frames of a tubelet.
        stride: frames from one tubelet to the next.

    Returns:
        pixels a frame, over the segment (B, P) and over the frames of each tubelet (B, P, t); NaN
        where no joint of the part can be followed.
    """
    # (B, T, 34) -> (B, T, 17, 2)
    joints = segments.unflatten(-1, (len(JOINTS), 2))
    present = (joints != 0).any(dim=-1)
    step = (joints[:, 1:] - joints[:, :-1]).norm(dim=-1)
    step = step.where(present[:, 1:] & present[:, :-1], torch.nan)
    pad = step.new_full((len(step), 1, len(JOINTS)), torch.nan)
    # (B, T, 17): steps into and out of each frame
    frame = torch.stack([torch.cat([pad, step], dim=1), torch.cat([step, pad], dim=1)]).nanmean(0)
    parts = [frame[..., [j for row in grid for j in row]].nanmean(-1) for grid in PARTS.values()]
    # (B, P, T)
    by_frame = torch.stack(parts, dim=1)
    return by_frame.nanmean(-1), by_frame.unfold(-1, kernel, stride).nanmean(-1)


def part_attention(attention: dict[str, list[Tensor]], times: int) -> tuple[Tensor, Tensor]:
    """Attention of the last layer that parts and tubelets receive, mean over heads.

    Args:
        attention: what ``BPTubeFormer.embed`` fills.
        times: tubelets along time, t.

    Returns:
        of the class token to each part (B, P), and of all tubelets of a part to those at each
        time (B, P, t).
    """
    # (B, H, 1 + P, 1 + P) -> (B, P)
    of_class_token = attention["body parts"][-1].mean(1)[:, 0, 1:]
    # (B, H, n, n) -> (B, n) -> (B, t): tubelets that lie on the same frames stand together
    received = [
        attention[part][-1].mean((1, 2)).unflatten(-1, (times, -1)).sum(-1) for part in PARTS
    ]
    return of_class_token, torch.stack(received, dim=1)


@torch.inference_mode()
def relate(model: BPTubeFormer, segments: Segments, batch_size: int, seed: int) -> pd.DataFrame:
    """Attention and movement of every segment, in true and in shuffled order of its frames.

    Args:
        model: whose attention it is.
        segments: the test segments.
        batch_size: segments of a batch.
        seed: of the shuffling.

    Returns:
        a row a segment: ``speed <part>`` in pixels a frame; for each order, ``attention <part>
        <order>`` of the class token, ``tubelets <part> <order>``, the rank correlation over time,
        and ``between parts <order>``, that over parts.
    """
    model.eval()
    convolution = next(iter(model.tubelet_transformers.values())).embedding.convolution
    kernel, stride = convolution.kernel_size[0], convolution.stride[0]
    generator = torch.Generator(device=segments.frames.device).manual_seed(seed)
    rows = []
    for begin in range(0, len(segments), batch_size):
        batch, _ = segments[slice(begin, begin + batch_size)]
        noise = torch.rand(batch.shape[:2], generator=generator, device=batch.device)
        shuffled = batch.gather(1, noise.argsort(1)[..., None].expand_as(batch))
        speed, tubelet_speed = part_speeds(batch, kernel, stride)
        row = {f"speed {part}": speed[:, i] for i, part in enumerate(PARTS)}
        row = {name: values.cpu().numpy() for name, values in row.items()}
        for order, shown in zip(ORDERS, (batch, shuffled), strict=True):
            attention: dict[str, list[Tensor]] = {}
            model.embed(shown, attention)
            to_parts, to_tubelets = part_attention(attention, tubelet_speed.shape[-1])
            row[f"{BETWEEN_PARTS} {order}"] = rank_correlation(to_parts, speed)
            over_time = rank_correlation(to_tubelets, tubelet_speed)
            for i, part in enumerate(PARTS):
                row[f"attention {part} {order}"] = to_parts[:, i].cpu().numpy()
                row[f"{TUBELETS} {part} {order}"] = over_time[:, i]
        rows.append(pd.DataFrame(row))
    return pd.concat(rows, ignore_index=True)


def rank_correlation(first: Tensor, second: Tensor) -> np.ndarray:
    """Spearman's rho along the last axis; NaN where a value is missing or all are equal."""
    pair = (values.double().cpu().numpy() for values in (first, second))
    ranks = [rankdata(values, axis=-1, nan_policy="propagate") for values in pair]
    a, b = (rank - rank.mean(axis=-1, keepdims=True) for rank in ranks)
    norm = np.sqrt((a**2).sum(axis=-1) * (b**2).sum(axis=-1))
    return np.divide((a * b).sum(axis=-1), norm, out=np.full(norm.shape, np.nan), where=norm > 0)
