"""Execute a notebook with parameters, and keep it with an HTML page of it."""

import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbconvert
import nbformat
import papermill
from traitlets.config import Config

from bptubeformer.atomic import replacing, write_text
from bptubeformer.errors import InputError
from bptubeformer.reading import reading
from bptubeformer.texts import shown

KERNEL = "python3"
SOURCE = Path(__file__).resolve().parents[2]
LONGEST_FOLDER = 75
"""Bytes of the path of a folder in which sockets have paths below 100: systems take 104 to 108."""
SHORT_FOLDERS = (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm")  # noqa: S108 (folders within)
"""Folders for sockets, the first that can be used: TMPDIR of a cluster is often too long."""


def execute_notebook(
    notebook: Path, output: Path, parameters: dict[str, Any] | None = None
) -> None:
    """Execute a notebook with papermill, and keep it with an HTML page of it.

    The kernel is the one of the running Python, and finds this package there or in this checkout.

    Args:
        notebook: with a cell tagged parameters.
        output: the executed notebook; .html is written to its folder.
        parameters: values for names in that cell.

    Raises:
        InputError: a parameter that the notebook does not have, or a cell that failed.
    """
    parameters = parameters or {}
    with reading(notebook, "a notebook", "git checkout notebooks"):
        known = papermill.inspect_notebook(str(notebook))
    unknown = sorted(set(parameters) - set(known))
    if unknown:
        raise InputError(
            f"{notebook}: no parameter {unknown[0]} in the cell tagged parameters; "
            f"known: {', '.join(known)}"
        )
    paths = [str(SOURCE), os.environ.get("PYTHONPATH", "")]
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    with replacing(output) as partial, _place_of_sockets() as sockets:
        os.environ["JUPYTER_RUNTIME_DIR"] = sockets
        # Sockets in a folder of one's own instead of ports: nobody else on the machine can reach
        # the kernel, and notebooks executed at the same time cannot take each other's.
        kernel = {"transport": "ipc", "ip": f"{sockets}/kernel"}
        try:
            papermill.execute_notebook(
                str(notebook),
                str(partial),
                parameters=parameters,
                kernel_name=KERNEL,
                progress_bar=False,
                log_output=True,
                config=Config(KernelManager=kernel),
            )
        except papermill.PapermillExecutionError as error:
            raise InputError(
                f"{notebook}, cell {error.exec_count}: {error.ename}: {error.evalue}"
            ) from error
        executed = nbformat.read(partial, as_version=4)
        executed.metadata["papermill"]["output_path"] = str(output)
        # The cell that papermill puts in has a random one.
        for number, cell in enumerate(executed.cells):
            cell["id"] = f"cell-{number}"
        nbformat.write(executed, partial)
    exporter = nbconvert.HTMLExporter(
        exclude_input_prompt=True, exclude_output_prompt=True, mathjax_url="", require_js_url=""
    )
    page, _ = exporter.from_notebook_node(executed)
    write_text(output.with_suffix(".html"), page)


def _place_of_sockets() -> tempfile.TemporaryDirectory:
    """Make a folder of this process for the sockets of a kernel.

    Raises:
        InputError: no folder for temporary files is near enough to the root, or can be written.
    """
    for folder in SHORT_FOLDERS:
        if len(os.fsencode(folder)) <= LONGEST_FOLDER:
            with suppress(OSError):
                with tempfile.TemporaryFile(dir=folder) as file:
                    file.write(bytes(4096))
                return tempfile.TemporaryDirectory(dir=folder)
    raise InputError(
        f"{', '.join(map(shown, SHORT_FOLDERS))}: no room for the sockets of a notebook; set "
        f"TMPDIR to a folder that can be written, whose path has at most {LONGEST_FOLDER} bytes"
    )
