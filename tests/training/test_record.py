"""The records of a training, read back."""

import pytest

from bptubeformer.errors import InputError
from bptubeformer.training.record import COLUMNS, read_history

HEADER = ",".join(COLUMNS)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epoch,loss\n1,2\n", "expected the columns epoch, train_loss"),
        (HEADER, "and a row an epoch"),
        (f"{HEADER}\n1,2,3,inf,5,6,True\n", "values that are not finite numbers"),
        (f"{HEADER}\n1,2,many,4,5,6,True\n", "not the history of a training"),
        ("", "not the history of a training"),
    ],
)
def test_what_is_no_history_is_refused(text, words, tmp_path):
    (tmp_path / "history.csv").write_text(text)
    with pytest.raises(InputError, match=words):
        read_history(tmp_path / "history.csv")
