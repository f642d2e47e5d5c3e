"""Run commands of the command line, each in a process of its own that can be killed on the way.

One process imports everything once and forks for each command: a fork costs milliseconds, the
imports seconds. Started as a script, it reads a request a line (JSON) and answers with a line.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import traceback
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
TOUCHES = ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.truncate")
"""Audit events by which Python announces that it is about to touch the file system."""
PRELOADED = (
    "sklearn.model_selection", "sklearn.cluster", "sklearn.metrics", "scipy.stats",
    "pandas", "pyarrow.parquet", "pyarrow.csv", "matplotlib.pyplot", "safetensors.torch", "thop",
    "papermill", "nbconvert", "tensorboard.plugins.projector", "torch._dynamo",
    "bptubeformer.cli",
)  # fmt: skip


class Counter:
    """Counts how often files below a folder are touched, and kills the process at one time.

    Args:
        folder: path that the counted paths begin with.
        kill_at: number of the touch that does not happen; None for a process that lives.
    """

    def __init__(self, folder, kill_at):
        self.folder, self.kill_at, self.count = folder, kill_at, 0

    def __call__(self, event, arguments):
        if event not in TOUCHES or not isinstance(arguments[0], (str, bytes, os.PathLike)):
            return
        if os.path.abspath(os.fsdecode(arguments[0])).startswith(self.folder):  # noqa: PTH100
            self.count += 1
            if self.count == self.kill_at:
                os.kill(os.getpid(), signal.SIGKILL)


def kill(process, request, ended):
    """Send a process its signal, some seconds after it has printed a text."""
    log = Path(request["log"])
    while request["once"] not in log.read_text():
        if ended.wait(0.005):
            return
    if not ended.wait(request["kill_after"]):
        os.kill(process, request["signal"])


def run(request):
    """Run one command in a fork; how it ended, what it printed, how often it touched the folder."""
    reader, writer = os.pipe()
    log = Path(request["log"])
    log.write_text("")  # of the command before
    process = os.fork()
    if process == 0:
        counter = Counter(request["folder"], request["kill_at"])
        status = 1
        try:
            from bptubeformer.cli import main

            sys.stdout = sys.stderr = log.open("w")
            os.chdir(request["folder"])
            sys.addaudithook(counter)
            main(request["arguments"])
            status = 0
        except SystemExit as exit:
            print(exit.code, file=sys.stderr)
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            os.write(writer, str(counter.count).encode())
            os._exit(status)
    os.close(writer)
    ended = threading.Event()
    killer = threading.Thread(target=kill, args=(process, request, ended))
    if request["kill_after"] is not None:
        killer.start()
    _, status = os.waitpid(process, 0)
    ended.set()
    if request["kill_after"] is not None:
        killer.join()  # the next fork has no second thread
    with os.fdopen(reader) as file:
        count = file.read()
    return {
        "status": os.waitstatus_to_exitcode(status),
        "printed": log.read_text(),
        "touches": int(count or 0),
    }


class Commands:
    """Runs commands, each in a fork of one process that has imported everything.

    Args:
        folder: where they run, and whose files count.
        process: what ``start`` started.
    """

    def __init__(self, folder, process):
        self.folder, self.process = folder, process

    def __call__(
        self, *arguments, kill_at=None, kill_after=None, once="", kill_signal=signal.SIGKILL
    ):
        """Run one command.

        Args:
            arguments: of the command line.
            kill_at: touch of the folder that it does not live to see.
            kill_after: seconds after which a signal ends it.
            once: text after which these seconds begin; without one, they begin with the command.
            kill_signal: the signal.

        Returns:
            ``status`` (negative: the signal that ended it), ``printed`` and ``touches``.
        """
        request = {
            "arguments": list(map(str, arguments)), "folder": str(self.folder),
            "log": str(self.folder.with_name("printed.txt")),
            "kill_at": kill_at, "kill_after": kill_after, "once": once, "signal": int(kill_signal),
        }  # fmt: skip
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        # Told to stop, a process may end by itself, with status 1.
        killed = {-kill_signal} if kill_signal == signal.SIGKILL else {-kill_signal, 1}
        expected = {0} if kill_at is kill_after is None else killed if kill_at else {0, *killed}
        assert answer["status"] in expected, answer["printed"]
        return answer


def start():
    """The process whose forks run the commands."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


if __name__ == "__main__":
    import importlib

    from bptubeformer.stages import STAGES

    stages = (f"bptubeformer.{function.partition(':')[0]}" for function in STAGES.values())
    for module in (*PRELOADED, *stages):
        importlib.import_module(module)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line))), flush=True)
