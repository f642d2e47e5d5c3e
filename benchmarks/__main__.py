"""Run the benchmarks and write their table: ``python benchmarks``, or some: ``... ingest gpu``."""

import argparse
import datetime
import math
import platform
from collections.abc import Iterable
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

import verdicts
from bptubeformer.atomic import write_csv, write_text
from bptubeformer.training.device import processor
from cases import CASES, ON_REQUEST
from gpu import GPU_CASES
from timing import Row

HERE = Path(__file__).resolve().parent
PACKAGES = ("bptubeformer", "torch", "numpy", "pyarrow", "lightning")


def machine() -> str:
    """Processor, GPUs, Python and packages, in words."""
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return (
        f"{processor()}; {', '.join(gpus) or 'no GPU'}; Python {platform.python_version()}, "
        f"{versions}; {datetime.date.today()}"
    )


def markdown(rows: Iterable[Row]) -> str:
    """The table for people."""
    shown = pd.DataFrame(
        {
            "Benchmark": row.benchmark,
            "Case": row.case,
            "Ours": "" if math.isnan(row.ours) else f"{row.ours:.4g} {row.unit}".strip(),
            "From ... to": row.spread,
            "Otherwise": f"{row.other}: {row.others:.4g}" if row.other else "",
            "Ratio": f"{row.ratio:.2f}" if row.ratio is not None else "",
            "Note": row.note,
        }
        for row in rows
    )
    return (
        "# Benchmarks\n\n"
        f"Written by `uv run --group benchmarks python benchmarks`. {machine()}.\n\n"
        f"{shown.to_markdown(index=False, disable_numparse=True)}\n\n"
        "Medians of runs in turn, in one process. Ratio: how many times ours the other way takes "
        "(of a fraction of the peak: ours over the other's).\n"
    )


def main() -> None:
    """Run what is asked for; without names, all that need no GPU and no long time."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    known = {**CASES, **GPU_CASES, **ON_REQUEST}
    parser.add_argument(
        "names", nargs="*", metavar="name", help=f"of {', '.join(known)}; or verdicts"
    )
    parser.add_argument("--output", type=Path, default=HERE / "results", help="without suffix")
    given = parser.parse_args()
    if given.names == ["verdicts"]:
        verdicts.main([])
        return
    for name in given.names:
        if name not in known:
            parser.error(f"{name} is no benchmark; known: {', '.join(known)}")
    rows: list[Row] = []
    for name in given.names or CASES:
        for row in known[name]():
            rows.append(row)
            ratio = "" if row.ratio is None else f"  {row.ratio:.2f} times ({row.other})"
            print(f"{row.benchmark}: {row.case}: {row.ours:.4g} {row.unit}{ratio}  {row.note}",
                  flush=True)  # fmt: skip
    write_csv(given.output.with_suffix(".csv"), pd.DataFrame(map(asdict, rows)))
    write_text(given.output.with_suffix(".md"), markdown(rows))


if __name__ == "__main__":
    main()
