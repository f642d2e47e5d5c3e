import numpy as np
import pytest

from bptubeformer.errors import InputError
from bptubeformer.evaluation.predictions import Predictions
from fakes import CONTENT, FINGERPRINT


def test_predictions_survive_saving(tmp_path):
    path = tmp_path / "fold0" / "predictions.parquet"
    labels, logits = np.array([0, 2]), np.array([[0, 1, 0], [0, 0, 1]], dtype=np.float32)
    names = ("Abuse", "logit a", "Arson")
    Predictions(
        np.array([3, 9]), np.array([1, 4]), labels, logits, names, FINGERPRINT, CONTENT
    ).save(path)
    loaded = Predictions.load(path)
    assert loaded.starts.tolist() == [3, 9]
    assert loaded.trajectory.tolist() == [1, 4]
    assert loaded.labels.tolist() == [0, 2]
    assert np.array_equal(loaded.logits, logits)
    assert (loaded.categories, loaded.data) == (names, FINGERPRINT)


def test_what_is_no_table_of_predictions_is_refused(tmp_path):
    (tmp_path / "predictions.parquet").write_bytes(b"PAR0")
    with pytest.raises(InputError, match="not a table of predictions"):
        Predictions.load(tmp_path / "predictions.parquet")
