import numpy as np
import pytest

from bptubeformer.errors import InputError
from bptubeformer.evaluation.predictions import (
    load_predictions,
    prediction_table,
    save_predictions,
)


def test_predictions_survive_saving(tmp_path):
    path = tmp_path / "fold0" / "predictions.parquet"
    labels, logits = np.array([0, 2]), np.array([[0, 1, 0], [0, 0, 1]], dtype=np.float32)
    names = ["Abuse", "logit a", "Arson"]
    save_predictions(path, prediction_table(np.arange(2), np.arange(2), labels, logits, names))
    loaded_labels, loaded_logits, categories = load_predictions(path)
    assert loaded_labels.tolist() == [0, 2]
    assert np.array_equal(loaded_logits, logits)
    assert categories == names


def test_what_is_no_table_of_predictions_is_refused(tmp_path):
    (tmp_path / "predictions.parquet").write_bytes(b"PAR0")
    with pytest.raises(InputError, match="not a table of predictions"):
        load_predictions(tmp_path / "predictions.parquet")
