import tempfile
from contextlib import suppress
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from bptubeformer.errors import InputError
from bptubeformer.figures import execute
from bptubeformer.figures.execute import execute_notebook


@pytest.fixture
def notebook(tmp_path):
    cells = [
        new_code_cell("number = 1", metadata={"tags": ["parameters"]}),
        new_code_cell(
            "from bptubeformer.skeleton import COCO_17\nprint(len(COCO_17.joints) * number)"
        ),
        new_code_cell("assert number < 9, 'too much'"),
    ]
    metadata = {"kernelspec": {"name": "python3", "language": "python", "display_name": "x"}}
    path = tmp_path / "notebook.ipynb"
    nbformat.write(new_notebook(cells=cells, metadata=metadata), path)
    return path


def test_a_notebook_is_executed_and_kept_with_a_page(notebook, tmp_path):
    output = tmp_path / "out" / "notebook.ipynb"
    execute_notebook(notebook, output, {"number": 3})
    executed = nbformat.read(output, as_version=4)
    assert [c.outputs[0].text for c in executed.cells if c.get("outputs")] == ["51\n"]
    assert executed.metadata.papermill.parameters == {"number": 3}
    assert ">51" in output.with_suffix(".html").read_text()
    assert sorted(path.name for path in output.parent.iterdir()) == [
        "notebook.html",
        "notebook.ipynb",
    ]


def test_notebooks_at_the_same_time_have_sockets_of_their_own(notebook, tmp_path, monkeypatch):
    """None in the folder they are started from, where those of another would stand."""
    cells = [
        new_code_cell("number = 1", metadata={"tags": ["parameters"]}),
        new_code_cell("import ipykernel.connect, json, os\n"
                      "print(ipykernel.connect.get_connection_info(unpack=True)['ip'])\n"
                      "print(sorted(os.listdir('.')))"),
    ]  # fmt: skip
    opened = nbformat.read(notebook, as_version=4)
    opened.cells = cells
    nbformat.write(opened, notebook)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    places = set()
    for number in range(2):
        execute_notebook(notebook, tmp_path / "out" / f"{number}.ipynb", {})
        executed = nbformat.read(tmp_path / "out" / f"{number}.ipynb", as_version=4)
        place, listing = executed.cells[-1].outputs[0].text.splitlines()
        places.add(place)
        assert listing == "[]"
        assert place.startswith(tempfile.gettempdir())
    assert len(places) == 2


def test_a_parameter_the_notebook_does_not_have_is_refused(notebook, tmp_path):
    with pytest.raises(InputError, match=r"no parameter nummer.*known: number"):
        execute_notebook(notebook, tmp_path / "out.ipynb", {"nummer": 3})


def test_a_cell_that_fails_leaves_nothing(notebook, tmp_path):
    with pytest.raises(InputError, match="too much"):
        execute_notebook(notebook, tmp_path / "out" / "notebook.ipynb", {"number": 9})
    assert list((tmp_path / "out").iterdir()) == []


def test_sockets_have_short_paths_whatever_the_folder_for_temporary_files(monkeypatch, tmp_path):
    long = tmp_path / ("x" * 130)
    long.mkdir()
    monkeypatch.setattr(execute, "SHORT_FOLDERS", (str(long), str(tmp_path / "gone"), "/tmp"))
    with execute._place_of_sockets() as place:
        assert Path(place).parent == Path("/tmp")
        assert Path(place).stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(execute, "SHORT_FOLDERS", (str(long), str(tmp_path / "gone")))
    with pytest.raises(InputError, match="no room for the sockets of a notebook; set TMPDIR"):
        execute._place_of_sockets()


def test_a_folder_without_room_is_passed_over(monkeypatch, small_disk):
    full = small_disk(1)
    with suppress(OSError):
        (full / "x").write_bytes(bytes(2 << 20))
    monkeypatch.setattr(execute, "LONGEST_FOLDER", 1000)
    monkeypatch.setattr(execute, "SHORT_FOLDERS", (str(full), "/tmp"))
    with execute._place_of_sockets() as place:
        assert Path(place).parent == Path("/tmp")
