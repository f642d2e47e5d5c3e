"""Claims about architecture and input (paper, section 2 and the widths of section 4)."""

import numpy as np
import pandas as pd

from bptubeformer.claims import Claim
from bptubeformer.models.geometry import AXES, tubelet_grid
from bptubeformer.skeleton import COCO_17
from bptubeformer.verdict.evidence import Evidence, NotRun
from bptubeformer.verdict.outcome import Kind, Outcome, decides

TRANSFORMERS = "tables/transformers.csv"
SKELETON = "src/bptubeformer/skeletons/coco-17.yaml"


@decides(Kind.CONSTRUCTION)
def tokens(claim: Claim, evidence: Evidence) -> Outcome:
    """Transformers take as many tokens of such a width, the class token counted or not."""
    table = evidence.transformers_of(claim.arguments["run"])
    holds, shown = True, []
    for name, (count, width) in claim.arguments["transformers"].items():
        if name not in table.index:
            return Outcome(False, f"no {name}", TRANSFORMERS)
        row = table.loc[name]
        own = row["tokens"]
        if not claim.arguments["count_class_token"]:
            own = own - row["class_token"]
        holds &= count == own and width in (None, row["width"])
        text = f"{row['tokens']} x {row['width']}"
        shown.append(f"{name} {text}{' with class token' if row['class_token'] else ''}")
    return Outcome(bool(holds), "; ".join(shown), TRANSFORMERS)


@decides(Kind.COMPUTED)
def tubelets(claim: Claim, evidence: Evidence) -> Outcome:
    """Each run makes so many tubelets of a part."""
    found = {run: _tubelets(evidence, run) for run in claim.arguments["tubelets"]}
    here = ", ".join(f"{run} {count}" for run, count in found.items())
    difference = next(iter(found.values())) - claim.value
    return Outcome(found == claim.arguments["tubelets"], here, TRANSFORMERS, difference)


@decides(Kind.COMPUTED)
def tubelets_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Tubelets of each run; decides nothing."""
    here = ", ".join(
        f"{run} {_tubelets(evidence, run)} tubelets" for run in claim.arguments["runs"]
    )
    return Outcome(None, here, TRANSFORMERS)


def _encoders(evidence: Evidence, run: str) -> pd.DataFrame:
    table = evidence.transformers_of(run)
    return table[table.index.str.startswith("tubelet_transformers.")]


def _tubelets(evidence: Evidence, run: str) -> int:
    return int(_encoders(evidence, run)["tokens"].iloc[0])


@decides(Kind.CONSTRUCTION)
def part_encoders(claim: Claim, evidence: Evidence) -> Outcome:
    """As many tubelet transformers as printed, each of a part of its own."""
    names = list(_encoders(evidence, claim.arguments["run"]).index)
    here = f"{len(names)}: {', '.join(name.split('.')[1] for name in names)}"
    return Outcome(len(names) == claim.value, here, TRANSFORMERS, len(names) - claim.value)


@decides(Kind.CONSTRUCTION)
def concatenated(claim: Claim, evidence: Evidence) -> Outcome:
    """The width of a body-part token is that of its tubelets, times their number."""
    run = claim.arguments["run"]
    one = _encoders(evidence, run).iloc[0]
    width = evidence.transformers_of(run).at["body_part_transformer", "width"]
    here = f"{one['tokens']} tubelets x {one['width']} = {width}"
    return Outcome(one["tokens"] * one["width"] == width, here, TRANSFORMERS)


@decides(Kind.CONSTRUCTION)
def heads(claim: Claim, evidence: Evidence) -> Outcome:
    """Every transformer has as many heads as printed."""
    found = evidence.transformers_of(claim.arguments["run"])["heads"]
    here = ", ".join(map(str, sorted(found.unique())))
    difference = float(found.max() - claim.value)
    return Outcome(bool((found == claim.value).all()), here, TRANSFORMERS, difference)


@decides(Kind.COMPUTED)
def heads_here(claim: Claim, evidence: Evidence) -> Outcome:
    """Number of heads; decides nothing."""
    found = evidence.transformers_of(claim.arguments["run"])["heads"].max()
    return Outcome(None, f"{found} heads", TRANSFORMERS)


@decides(Kind.CONSTRUCTION)
def tokeniser(claim: Claim, evidence: Evidence) -> Outcome:
    """The tokeniser is made of such modules."""
    file = "tables/complexity_stages.csv"
    if (claim.arguments["run"], "tokeniser") not in evidence.stages.index:
        raise NotRun(f"{claim.arguments['run']} is not in the configuration")
    modules = evidence.stages.at[(claim.arguments["run"], "tokeniser"), "modules"]
    return Outcome(str(modules).split()[1:] == [claim.arguments["module"]], str(modules), file)


@decides(Kind.CONSTRUCTION)
def square_grids(claim: Claim, evidence: Evidence) -> Outcome:
    """Every part, padded, is a square of the size of the largest part."""
    shapes = {(len(grid), len(grid[0])) for grid in COCO_17.part_grids("constant")}
    largest = max(COCO_17.parts.values(), key=lambda grid: sum(map(len, grid)))
    holds = shapes == {(len(largest), len(largest[0]))} and len(largest) == len(largest[0])
    here = ", ".join(f"{rows} x {columns}" for rows, columns in sorted(shapes))
    return Outcome(holds, f"{len(COCO_17.parts)} parts of {here}", SKELETON)


@decides(Kind.CONSTRUCTION)
def largest_part(claim: Claim, evidence: Evidence) -> Outcome:
    """The largest part has as many values as printed, in such a shape."""
    name, grid = max(COCO_17.parts.items(), key=lambda part: sum(map(len, part[1])))
    shape = [len(grid), len(grid[0]), 2]
    here = f"{name}: {' x '.join(map(str, shape))}"
    difference = float(np.prod(shape)) - claim.value
    return Outcome(shape == claim.arguments["shape"] and not difference, here, SKELETON, difference)


@decides(Kind.CONSTRUCTION)
def padding_of_pairs(claim: Claim, evidence: Evidence) -> Outcome:
    """A part of 1 x 2 gets so many more rows and columns."""
    found = set()
    for part, padded in zip(COCO_17.parts.values(), COCO_17.part_grids("constant"), strict=True):
        if (len(part), len(part[0])) == (1, 2):
            filled = np.array(padded) != COCO_17.no_joint
            found.add(((~filled.any(axis=1)).sum(), (~filled.any(axis=0)).sum()))
    here = ", ".join(f"{rows} rows and {columns} column" for rows, columns in sorted(found))
    return Outcome(found == {(claim.arguments["rows"], claim.arguments["columns"])}, here, SKELETON)


@decides(Kind.CONSTRUCTION)
def padding_needed(claim: Claim, evidence: Evidence) -> Outcome:
    """The kernel of a run gives unpadded parts different numbers of tubelets, or does not fit."""
    run = claim.arguments["run"]
    if run not in evidence.study.runs:
        raise NotRun(f"{run} is not in the configuration")
    kernel, stride = (evidence.study.runs[run][key][1:] for key in ("kernel", "stride"))
    counts = {}
    for part, grid in COCO_17.parts.items():
        sizes = zip((len(grid), len(grid[0])), kernel, stride, strict=True)
        counts[part] = int(np.prod([max((size - k) // s + 1, 0) for size, k, s in sizes]))
    here = f"{run} without padding, tubelets a frame: " + ", ".join(
        f"{p} {n}" for p, n in counts.items()
    )
    return Outcome(len(set(counts.values())) > 1, here, SKELETON)


@decides(Kind.CONSTRUCTION)
def parts(claim: Claim, evidence: Evidence) -> Outcome:
    """The parts are in this order and have these colours."""
    plain = {
        "tab:blue": "blue",
        "tab:green": "green",
        "tab:red": "red",
        "tab:purple": "purple",
        "gold": "yellow",
    }
    found = {part: plain.get(colour, colour) for part, colour in COCO_17.colours.items()}
    holds = list(found.items()) == list(claim.arguments["parts"].items())
    return Outcome(holds, ", ".join(f"{part} {colour}" for part, colour in found.items()), SKELETON)


@decides(Kind.CONSTRUCTION)
def spatial_positions(claim: Claim, evidence: Evidence) -> Outcome:
    """The encoder of a part relates tubelets of different times and of different places."""
    run = claim.arguments["run"]
    if run not in evidence.study.runs:
        raise NotRun(f"{run} is not in the configuration")
    entry = evidence.study.runs[run]
    grid = tubelet_grid(
        entry["segment_length"], entry["kernel"], entry["stride"], evidence.skeleton.part_side
    )
    here = f"{grid[0]} positions in time, {grid[1] * grid[2]} in space"
    return Outcome(grid[0] > 1 and grid[1] * grid[2] > 1, here, "config.yaml")


@decides(Kind.CONSTRUCTION)
def replicated(claim: Claim, evidence: Evidence) -> Outcome:
    """Under replicate padding, every cell holds a joint of its part; under constant, not."""
    filled = [cell for grid in COCO_17.part_grids("replicate") for row in grid for cell in row]
    constant = [cell for grid in COCO_17.part_grids("constant") for row in grid for cell in row]
    empty = sum(cell == COCO_17.no_joint for cell in filled)
    here = (
        f"{empty} cells without a joint, {constant.count(COCO_17.no_joint)} with constant padding"
    )
    return Outcome(empty == 0 < constant.count(COCO_17.no_joint), here, SKELETON)


@decides(Kind.CONSTRUCTION)
def overlapping(claim: Claim, evidence: Evidence) -> Outcome:
    """Tubelets of each of these runs overlap: a stride is shorter than the kernel."""
    found = {}
    for run in claim.arguments["runs"]:
        if run not in evidence.study.runs:
            raise NotRun(f"{run} is not in the configuration")
        entry = evidence.study.runs[run]
        axes = zip(AXES, entry["kernel"], entry["stride"], strict=True)
        found[run] = [axis for axis, kernel, stride in axes if stride < kernel]
    here = "; ".join(f"{run} along {', '.join(axes) or 'none'}" for run, axes in found.items())
    return Outcome(all(found.values()), here, "config.yaml")
