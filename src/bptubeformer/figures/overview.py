"""Overview of the data: some people, their places, lengths of trajectories, missing joints."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bptubeformer.atomic import write_text
from bptubeformer.data.store import FrameStore
from bptubeformer.data.summary import QUANTILES
from bptubeformer.evaluation.pages import page
from bptubeformer.evaluation.tables import render
from bptubeformer.figures.style import apply_style, save_figure
from bptubeformer.reading import reading
from bptubeformer.skeleton import Skeleton
from bptubeformer.texts import in_figure, in_markdown

PEOPLE = 8
"""People that are drawn, evenly over the trajectories."""
PLACES = 4000
"""Joints whose places are drawn."""
SIDES = {"left": "tab:blue", "right": "tab:red", "": "0.35"}
"""Colours of the left and the right side of a person."""


def write_overview(store: Path, summary: Path, output: Path) -> None:
    """Draw people of a dataset, and write a page with its numbers.

    Args:
        store: frame store, written by ingest.
        summary: summary.json, written by ingest.
        output: the page (.html); overview.svg and overview.png are written to its folder.

    Raises:
        InputError: a file is not there, or is another one.
    """
    frames = FrameStore.load(store)
    with reading(summary, "a summary of a dataset", "bptubeformer ingest"):
        numbers = json.loads(summary.read_text(encoding="utf-8"))
        markdown = overview_page(numbers)
    apply_style()
    save_figure(draw_overview(frames), output.with_name("overview"))
    write_text(output, page(markdown))


def overview_page(numbers: dict[str, Any]) -> str:
    """Markdown of the numbers of a dataset, as ``ingest`` writes them."""
    classes = pd.DataFrame(numbers["categories"])
    for name in ("groups", "parts"):
        if classes[name].isna().all():
            classes = classes.drop(columns=name)
    if "parts" in classes:
        classes["parts"] = classes["parts"].map(
            lambda parts: ", ".join(f"{count} {part}" for part, count in parts.items())
        )
    classes.columns = [name.capitalize() for name in classes.columns]
    missing = pd.DataFrame(
        {
            "Joint": list(numbers["missing_joints"]),
            "Missing": [f"{share:.1%}" for share in numbers["missing_joints"].values()],
        }
    )
    named = ("smallest", "1 %", "median", "99 %", "largest")
    ranges = pd.DataFrame({"": ["x, pixels", "y, pixels", "rows of a trajectory"]})
    for place, name in enumerate(named[: len(QUANTILES)]):
        ranges[name] = [f"{numbers[key][place]:g}" for key in ("x", "y", "rows")]
    hardly, inferred = numbers["hardly_visible"], numbers["identities_inferred"]
    notes = [
        f"{numbers['frames']} frames of {numbers['skeleton']}, "
        f"{numbers['frames_without_joints']} of them without any joint. {numbers['gaps']} gaps "
        f"in the frame numbers, in {numbers['trajectories_with_gaps']} trajectories. The frame "
        "rate is not known.",
        f"{len(hardly)} trajectories have no joint in more than half of their frames"
        + (
            f": {', '.join(map(in_markdown, hardly[:20]))}{', ...' if len(hardly) > 20 else ''}."
            if hardly
            else "."
        ),
    ]
    if inferred:
        notes.append(
            f"The files do not say who is who: in {inferred} recordings, people were tracked. Two "
            "who meet may be exchanged."
        )
    return "\n".join(
        [
            render("The data", classes, notes),
            render("Ranges", ranges, []),
            render("Missing joints", missing, []),
        ]
    )


def draw_overview(store: FrameStore) -> Figure:
    """People above; places of joints, lengths and missing joints below.

    Args:
        store: the dataset.
    """
    figure = Figure(figsize=(13, 7.5), layout="constrained")
    above, below = figure.subfigures(2, 1, height_ratios=[1, 1.1], squeeze=False)[:, 0]
    chosen = np.unique(np.linspace(0, len(store.rows) - 1, PEOPLE).round().astype(int))
    panels = above.subplots(1, len(chosen), squeeze=False)[0]
    for axes, trajectory in zip(panels, chosen, strict=True):
        begin, end = store.offsets[trajectory : trajectory + 2]
        joints = np.asarray(store.frames[begin:end]).reshape(end - begin, -1, 2)
        best = int(joints.any(axis=-1).sum(axis=1).argmax())
        _draw_person(axes, store.skeleton, joints[best])
        category = store.trajectories["category"].iloc[trajectory]
        frame = store.frame_number[begin + best]
        axes.set_title(f"{in_figure(category)}\nframe {frame}", fontsize=9)
    places, lengths, missing = below.subplots(1, 3)
    step = max(len(store.frames) * len(store.skeleton.joints) // PLACES, 1)
    some = np.asarray(store.frames).reshape(-1, 2)[::step]
    some = some[some.any(axis=1)]
    places.scatter(*some.T, s=2, color="0.3", alpha=0.5, linewidths=0)
    places.invert_yaxis()
    places.set(title="Where joints are", xlabel="x, pixels", ylabel="y, pixels", aspect="equal")
    lengths.hist(np.asarray(store.rows), bins=40, color="tab:blue")
    lengths.set(title="Lengths", xlabel="rows of a trajectory", ylabel="trajectories")
    there = np.asarray(store.frames).reshape(len(store.frames), -1, 2).any(axis=-1)
    missing.barh(store.skeleton.joints, 100 * (1 - there.mean(axis=0)), color="tab:red")
    missing.invert_yaxis()
    missing.tick_params(axis="y", labelsize=7)
    missing.set(title="Missing joints", xlabel="% of frames")
    figure.legend(
        handles=[
            axes.plot([], [], color=colour, label=side or "middle")[0]
            for side, colour in SIDES.items()
        ],
        loc="outside lower center", ncols=3, frameon=False, title="side of the person",
    )  # fmt: skip
    return figure


def _draw_person(axes: Axes, skeleton: Skeleton, joints: np.ndarray) -> None:
    present = np.asarray(joints.any(axis=-1))
    for first, second in skeleton.limbs:
        if present[first] and present[second]:
            sides = {skeleton.joints[end].split()[0] for end in (first, second)} & set(SIDES)
            side = sides.pop() if len(sides) == 1 else ""
            axes.plot(*joints[[first, second]].T, color=SIDES[side], linewidth=2)
    x, y = joints[present].T
    axes.scatter(x, y, s=8, color="0.15", zorder=2)
    axes.invert_yaxis()
    axes.set_aspect("equal")
    axes.tick_params(labelsize=6)
    axes.margins(0.15)
