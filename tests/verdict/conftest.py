"""A world in which the paper is right wherever it can be: results made up for these tests."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import save_file

from bptubeformer.claims import printed_table
from bptubeformer.config import studies_of
from bptubeformer.data.store import FrameStore
from bptubeformer.evaluation.clusters import MEAN, POSITIVE
from bptubeformer.evaluation.complexity import complexity_tables, ratios_table
from bptubeformer.evaluation.metrics import METRICS
from bptubeformer.evaluation.predictions import Predictions
from bptubeformer.skeleton import COCO_17
from bptubeformer.study import PREDICTIONS
from bptubeformer.verdict import gate
from bptubeformer.verdict.evidence import Evidence
from conftest import REPOSITORY
from fakes import CONTENT, FINGERPRINT, RECORD

sys.path.insert(0, str(REPOSITORY / "benchmarks"))

import verdicts
from checkout import base_config

TRUTH = verdicts.papers_truth(verdicts.SIZES[0])
"""By run: recall of each class with which the paper is right."""
MEANS = {run: float(recalls.mean()) for run, recalls in TRUTH.items()}
VIDEOS, SEGMENTS = 30, 10_000
"""Test videos of each class, of one trajectory each; and test segments of each trajectory."""
LEFT = ("Assault", "Burglary", "Robbery")
TAILS = (*LEFT, "Explosion", "Fighting", "Shooting", "Shoplifting")


def triple(values):
    return f"({', '.join(map(str, values))})" if values else None


def counts_table(runs, names, score, protocol="as-published"):
    """Counts without any noise: every video and fold of a class has the same score."""
    rows = []
    for run in runs:
        scores = score(run)
        for fold in range(3):
            for place, name in enumerate(names):
                for video in range(VIDEOS):
                    rows.append(
                        (run, protocol, fold, 0, name, f"{name}{video}", place * VIDEOS + video,
                         SEGMENTS, round(SEGMENTS * scores[name]))
                    )  # fmt: skip
    columns = "run protocol fold seed category video trajectory tested correct"
    return pd.DataFrame(rows, columns=columns.split())


def make_world(results: Path, config: dict) -> None:
    names = config["categories"]["hr-crime"]
    video = np.arange(789)
    # Every fourth video is one of the first class.
    label = np.where(video % 4 == 0, 0, video % 13)
    trajectories = pd.DataFrame(
        {"category": np.array(names)[label], "video": video.astype(str), "person": "1", "rows": 1}
    )
    FrameStore(
        np.zeros((789, 34), np.float32), video.astype(np.int32), np.arange(790), trajectories,
        tuple(names),
    ).save(results / "data" / "frames.safetensors")  # fmt: skip
    tables = results / "paper" / "tables"
    tables.mkdir(parents=True)
    studies = studies_of(config)
    described = studies["controls"].runs
    counted = complexity_tables(described, 13, 1000, printed_table(2))
    counted.runs.to_csv(tables / "complexity.csv", index=False)
    counted.stages.to_csv(tables / "complexity_stages.csv", index=False)
    counted.transformers.to_csv(tables / "transformers.csv", index=False)
    ratios_table(counted.runs).to_csv(tables / "complexity_ratios.csv", index=False)
    pd.DataFrame(
        {
            "run": run,
            "protocol": "as-published",
            "kernel": triple(described[run].get("kernel")),
            "stride": triple(described[run].get("stride")),
            "segment_length": described[run]["segment_length"],
            "folds": 3,
            "seeds": 2,
            "balanced_accuracy_mean": mean,
            "balanced_accuracy_std": 0.002,
            "balanced_accuracy_std_seeds": 0.003,
            "classes": 13,
            "learned": True,
            "trajectories": 390,
            "balanced_accuracy_common": 0.49,
            "common_trajectories": 300,
        }
        for run, mean in MEANS.items()
    ).to_csv(tables / "accuracy.csv", index=False)
    counts_table(MEANS, names, lambda run: dict(zip(names, TRUTH[run], strict=True))).to_csv(
        tables / "counts.csv", index=False
    )
    pd.DataFrame(
        {"run": "BPT-V2", "protocol": "as-published", "unit": "segment", "metric": m, "mean": 0.5}
        for m in METRICS
    ).to_csv(tables / "metrics.csv", index=False)
    pd.DataFrame(
        {
            "run": run,
            "protocol": "as-published",
            "unit": unit,
            "fold": fold,
            "seed": 0,
            "category": name,
            "recall": TRUTH[run][names.index(name)] if unit == "segment" else 0.9,
        }
        for run in ("BPT-V2", "ST-Tran")
        for unit in ("segment", "video")
        for fold in range(3)
        for name in names
    ).to_csv(tables / "recalls.csv", index=False)
    shares = {name: 0.4 if name in LEFT else 0.55 if name in TAILS else 0.7 for name in names}
    rows = [("true class", "all", 0.0413, 0.5), ("k-means cluster", "all", 0.1, 0.5)]
    rows += [("true class", name, 0.04, share) for name, share in shares.items()]
    columns = ["grouping", "group", "mean", "share_positive"]
    pd.DataFrame(rows, columns=columns).to_csv(tables / "silhouettes.csv", index=False)
    scores = {POSITIVE: shares, MEAN: dict.fromkeys(names, 0.0413)}
    counts_table(scores, names, scores.get).to_csv(tables / "silhouette_counts.csv", index=False)
    pd.DataFrame(
        {
            "level": "tubelets", "part": part, "order": order, "rank_correlation": rho,
            "interval_low": rho - 0.1, "interval_high": rho + 0.1, "segments": 99,
            "minus_shuffled_low": 0.2, "minus_shuffled_high": 0.6,
        }
        for part in COCO_17.parts
        for order, rho in (("true", 0.4), ("shuffled", 0.0))
    ).to_csv(tables / "movement.csv", index=False)  # fmt: skip
    for run in studies["paper"].runs:
        for fold in range(3):
            record = {**RECORD, "run": described[run]}
            folder = results / "as-published" / run / f"fold{fold}"
            folder.mkdir(parents=True)
            (folder / "run.json").write_text(json.dumps(record))
    shown = results / "as-published" / "BPT-V2" / "fold0"
    logits = np.zeros((789, 13), np.float32)
    Predictions(video, video, label, logits, tuple(names), FINGERPRINT, CONTENT).save(
        shown / PREDICTIONS
    )
    weights = {"attention body parts": np.zeros((8, 6, 6), np.float32)}
    weights |= {f"attention {part}": np.zeros((8, 12, 12), np.float32) for part in COCO_17.parts}
    save_file(weights, shown / "attention.safetensors")


@pytest.fixture(scope="session")
def base_world(tmp_path_factory) -> Path:
    results = tmp_path_factory.mktemp("world") / "hr-crime"
    results.mkdir()
    make_world(results, base_config())
    return results


@pytest.fixture
def evidence(base_world, tmp_path, monkeypatch) -> Evidence:
    """A copy of that world, to be changed; the gate does not look at its content."""
    monkeypatch.setattr(gate, "content", lambda trajectories: [])
    shutil.copytree(base_world, tmp_path / "hr-crime")
    config = base_config()
    return evidence_of(tmp_path / "hr-crime", config)


def evidence_of(results: Path, config: dict, study: str = "paper") -> Evidence:
    """Evidence of a study whose results are in a folder of any name."""
    return Evidence(replace(studies_of(config)[study], results=results))


def again(evidence: Evidence) -> Evidence:
    """The same results, read again, with the configuration as it is now."""
    return evidence_of(evidence.study.results, evidence.config)
