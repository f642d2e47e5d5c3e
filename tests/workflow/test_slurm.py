"""The workflow on a real Slurm: each training has its GPU; failures, interruptions end well."""

import json
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import yaml

from checkout import RESULTS, SMALL, clone, copy_checkout, snakemake
from workflow.slurm_node import Node, slurm_node, wait

PROFILE = (
    "--profile", "profiles/slurm", "--slurm-status-command", "squeue", "--config", "device=cpu",
)  # fmt: skip
# Each look at the queue comes ten seconds later than the last one did, until a job has succeeded.
OPTIONS = (
    *PROFILE, "--slurm-init-seconds-before-status-checks", "5", "--retries", "0",
    "--latency-wait", "5", "--configfile", "small.yaml",
)  # fmt: skip
FOLDS = RESULTS / "as-published"
LOGS = RESULTS / "logs" / "train" / "as-published"
EPOCHS = 150
REFUSED = {"model": "sttran", "experiment": "none", "segment_length": 24,
           "training": {"precision": "tf32"}}  # fmt: skip


@pytest.fixture(scope="module")
def node():
    with slurm_node() as node:
        yield node


@pytest.fixture(scope="module")
def checkout(node, tmp_path_factory) -> Path:
    """A checkout whose windows are cut, with one long run, and one that a CPU refuses to train."""
    checkout = copy_checkout(tmp_path_factory.mktemp("slurm") / "bptubeformer")
    long = {"max_epochs": EPOCHS, "early_stopping_patience": EPOCHS}
    short = {"max_epochs": 30, "early_stopping_patience": 30}
    runs = {
        "BPT-V2-T12": {"segment_length": 24, "training": long},
        "BPT-V2": {"training": short},  # long enough that its folds train at the same time
        "refused": REFUSED,
    }
    (checkout / "small.yaml").write_text(yaml.safe_dump({**SMALL, "runs": runs}))
    splits = str(RESULTS / "data/splits/as-published/T24/summary.csv")
    done = snakemake(checkout, "--configfile", "small.yaml", "--", splits)
    assert done.returncode == 0, done.stdout + done.stderr
    return checkout


def start(
    node: Node, checkout: Path, *targets: Path, options: tuple[str, ...] = OPTIONS
) -> subprocess.Popen:
    """Start Snakemake on the node's Slurm."""
    command = [sys.executable, "-m", "snakemake", *options, "--", *map(str, targets)]
    return subprocess.Popen(
        command, cwd=checkout, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=node.environment,
        # Ctrl-C is ignored by what a shell has started in the background, unless told otherwise.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip


def epochs(log: Path) -> list[int]:
    """Epochs that a training has printed."""
    return [int(n) for n in re.findall(r"epoch (\d+)/", log.read_text())] if log.exists() else []


def interrupt(process: subprocess.Popen, log: Path, number: signal.Signals) -> tuple[str, int]:
    """Send Snakemake a signal after three epochs more; what it printed, and the last epoch then."""
    log.unlink(missing_ok=True)
    end = time.monotonic() + 240
    while len(epochs(log)) < 3 and process.poll() is None and time.monotonic() < end:
        time.sleep(0.1)
    process.send_signal(number)
    shown, _ = process.communicate()
    assert epochs(log), shown
    return shown, epochs(log)[-1]


def test_each_training_has_a_gpu_and_a_failed_one_stops_no_other(node, checkout):
    folds = [FOLDS / "BPT-V2" / f"fold{fold}" for fold in range(2)]
    refused = FOLDS / "refused" / "fold0" / "model.safetensors"
    process = start(node, checkout, *(fold / "predictions.parquet" for fold in folds), refused)
    shown, _ = process.communicate()
    assert process.returncode == 1, shown
    records = [json.loads((checkout / fold / "run.json").read_text()) for fold in folds]
    assert sorted(record["visible_gpus"] for record in records) == ["0", "1"]
    assert "Error in rule train" in shown
    assert f"log: {LOGS}/refused-fold0.log, " in shown
    assert "precision: tf32 needs a GPU" in shown
    assert all((checkout / fold / "predictions.parquet").exists() for fold in folds)
    assert not (checkout / refused).exists()


def test_an_interrupted_sweep_goes_on_where_it_was(node, checkout):
    """First by Ctrl-C, which cancels the jobs; then Snakemake is killed, and its job goes on."""
    target = FOLDS / "BPT-V2-T12" / "fold0" / "model.safetensors"
    log = checkout / LOGS / "BPT-V2-T12-fold0.log"
    shown, _ = interrupt(start(node, checkout, target), log, signal.SIGINT)
    assert "Terminating processes on user request" in shown
    assert node.ask("squeue", "-h", "-t", "running") == ""
    shown, last = interrupt(start(node, checkout, target), log, signal.SIGKILL)
    (first,) = re.findall(r"going on after epoch (\d+)", log.read_text())
    assert 3 <= int(first) < last
    assert node.ask("squeue", "-h", "-o", "%T") == "RUNNING"
    node.cancel()
    refused, _ = start(node, checkout, target).communicate()
    assert "--unlock" in refused  # Snakemake's own advice
    assert snakemake(checkout, "--unlock", "--configfile", "small.yaml").returncode == 0
    process = start(node, checkout, target)
    shown, _ = process.communicate()
    assert process.returncode == 0, shown
    (second,) = re.findall(r"going on after epoch (\d+)", log.read_text())
    assert int(second) >= last
    assert epochs(log)[-1] == EPOCHS


@pytest.mark.demonstration
def test_the_demonstration_ends_though_a_training_was_cancelled(node, tmp_path):
    """With the profile as it is: two GPUs, pages in groups, one retry."""
    checkout = clone(tmp_path / "bptubeformer")
    demonstration = ("--configfile", "demo.yaml")
    results = checkout / "results" / "synthetic"
    log = results / "logs" / "train" / "as-published" / "BPT-V2-fold0.log"
    with start(node, checkout, options=(*PROFILE, *demonstration)) as process:
        shown: list[str] = []
        reading = threading.Thread(target=lambda: shown.extend(process.stdout))
        reading.start()
        wait(lambda: len(epochs(log)) > 1 or process.poll() is not None, 3600)
        running = node.ask("squeue", "-h", "-t", "running", "-o", "%i %k") or ""
        (job,) = re.findall(r"(\d+) rule_train_wildcards_as-published_BPT-V2_0_", running)
        node.ask("scancel", job)
        reading.join()
    assert process.returncode == 0, "".join(shown)
    assert "Trying to restart job" in "".join(shown)
    assert "going on after epoch" in log.read_text()
    records = [json.loads(path.read_text()) for path in results.rglob("run.json")]
    assert {record["visible_gpus"] for record in records} == {"0", "1"}
    done = snakemake(checkout, "-n", *demonstration)
    assert "Nothing to be done" in done.stdout + done.stderr
