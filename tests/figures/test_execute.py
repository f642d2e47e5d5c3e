import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from bptubeformer.errors import InputError
from bptubeformer.figures.execute import execute_notebook


@pytest.fixture
def notebook(tmp_path):
    cells = [
        new_code_cell("number = 1", metadata={"tags": ["parameters"]}),
        new_code_cell("from bptubeformer.skeleton import JOINTS\nprint(len(JOINTS) * number)"),
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


def test_a_parameter_the_notebook_does_not_have_is_refused(notebook, tmp_path):
    with pytest.raises(InputError, match=r"no parameter nummer.*known: number"):
        execute_notebook(notebook, tmp_path / "out.ipynb", {"nummer": 3})


def test_a_cell_that_fails_leaves_nothing(notebook, tmp_path):
    with pytest.raises(InputError, match="too much"):
        execute_notebook(notebook, tmp_path / "out" / "notebook.ipynb", {"number": 9})
    assert list((tmp_path / "out").iterdir()) == []
