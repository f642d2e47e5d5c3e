"""Films of classified people: their skeletons, the class, and blobs that grow with attention."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import imageio.v2 as imageio
import numpy as np
from matplotlib.colors import to_rgb
from PIL import Image, ImageDraw, ImageFont

from bptubeformer.atomic import replacing
from bptubeformer.skeleton import Skeleton
from bptubeformer.texts import shown

WIDTH = 960
"""Pixels of a film, at most; an even number, as video encoders need."""
FRAMES_A_SECOND = 25
"""Of a film: the data has no frame rate."""
LONGEST = 3000
"""Frames of a film; what comes later is not drawn."""
LARGEST_BLOB = 60
"""Radius of the blob of a part that has all the attention, in pixels."""
PEOPLE = ((90, 170, 250), (250, 140, 90), (120, 200, 120), (220, 130, 220), (230, 200, 80))
"""Colours of people, one after the other."""


@dataclass(frozen=True)
class Actor:
    """A person of a film."""

    name: str
    number: np.ndarray
    """int32 (rows,): frame numbers."""
    joints: np.ndarray
    """float32 (rows, J, 2): pixels; a missing joint is 0, 0."""
    text: Sequence[str]
    """Class and probability at each row; empty where no segment covers it."""
    attention: np.ndarray
    """float32 (rows, P): to each body part; no columns for a model without."""


def write_film(path: Path, skeleton: Skeleton, actors: Sequence[Actor]) -> None:
    """Write a film of the people of a recording, as MP4 or GIF.

    Args:
        path: ends in .mp4 or .gif.
        skeleton: of the people.
        actors: the people.
    """
    options: dict[str, Any] = {"duration": 1000 / FRAMES_A_SECOND, "loop": 0}
    if path.suffix != ".gif":
        options = {"fps": FRAMES_A_SECOND, "codec": "libx264", "macro_block_size": 2}
    with replacing(path) as partial, _writer(partial, options) as film:
        for frame in draw_frames(skeleton, actors):
            film.append_data(frame)


def _writer(path: Path, options: Mapping[str, Any]) -> Any:
    return imageio.get_writer(path, mode="I", **options)


def draw_frames(skeleton: Skeleton, actors: Sequence[Actor]) -> Iterator[np.ndarray]:
    """Yield the pictures of a film, uint8 (H, W, 3), frame by frame."""
    seen = np.concatenate([actor.joints[actor.joints.any(axis=-1)] for actor in actors])
    low = np.minimum(np.quantile(seen, 0.001, axis=0), 0)
    high = np.quantile(seen, 0.999, axis=0)
    margin = 0.05 * (high - low).max() + 1
    low, high = low - margin * (low < 0), high + margin
    scale = WIDTH / (high - low)[0]
    height = int(np.clip((high - low)[1] * scale, 120, 2 * WIDTH)) // 2 * 2
    first = min(int(actor.number[0]) for actor in actors)
    last = max(int(actor.number[-1]) for actor in actors)
    rows = [dict(zip(actor.number.tolist(), range(len(actor.number)), strict=True))
            for actor in actors]  # fmt: skip
    font = ImageFont.load_default(size=16)
    for number in range(first, min(last, first + LONGEST - 1) + 1):
        picture = Image.new("RGB", (WIDTH, height), (24, 26, 32))
        pen = ImageDraw.Draw(picture, "RGBA")
        pen.text((10, 8), f"frame {number}", fill=(160, 160, 170), font=font)
        for place, (actor, row_of) in enumerate(zip(actors, rows, strict=True)):
            if number in row_of:
                row = row_of[number]
                joints = (actor.joints[row] - low) * scale
                present = np.asarray(actor.joints[row].any(axis=-1))
                colour = PEOPLE[place % len(PEOPLE)]
                _draw_blobs(pen, skeleton, joints, present, actor.attention[row])
                _draw_person(pen, skeleton, joints, present, colour)
                if present.any():
                    x, y = joints[present].min(axis=0)
                    text = f"{shown(actor.name)}: {shown(actor.text[row])}"
                    pen.text((max(x, 4), max(y - 22, 4)), text, fill=colour, font=font)
        yield np.asarray(picture)


def _draw_person(
    pen: ImageDraw.ImageDraw,
    skeleton: Skeleton,
    joints: np.ndarray,
    present: np.ndarray,
    colour: tuple[int, int, int],
) -> None:
    for first, second in skeleton.limbs:
        if present[first] and present[second]:
            pen.line([*map(tuple, joints[[first, second]].tolist())], fill=colour, width=3)
    for x, y in joints[present].tolist():
        pen.ellipse([x - 3, y - 3, x + 3, y + 3], fill=(240, 240, 240))


def _draw_blobs(
    pen: ImageDraw.ImageDraw,
    skeleton: Skeleton,
    joints: np.ndarray,
    present: np.ndarray,
    attention: np.ndarray,
) -> None:
    weights: Mapping[str, float] = dict(zip(skeleton.parts, attention.tolist(), strict=False))
    for part, weight in weights.items():
        red, green, blue = (int(255 * value) for value in to_rgb(skeleton.colours[part]))
        radius = LARGEST_BLOB * np.sqrt(weight) if weight == weight else 0
        for members in skeleton.places_of_part[part]:
            seen = [joint for joint in members if present[joint]]
            if seen and radius > 0:
                x, y = joints[seen].mean(axis=0).tolist()
                circle = [x - radius, y - radius, x + radius, y + radius]
                pen.ellipse(circle, fill=(red, green, blue, 130))
