import numpy as np
import pandas as pd
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig

from bptubeformer.evaluation.inspection import Embeddings
from bptubeformer.figures.projector import write_projector
from fakes import CONTENT


def test_tensorboard_finds_vectors_and_classes(tmp_path):
    embedding = np.random.default_rng(0).random((3, 4)).astype(np.float32)
    shown = Embeddings(
        embedding,
        np.array([0, 1, 1]),
        np.array([0, 1, 0]),
        ("Abuse", "Road Rage"),
        np.arange(3),
        CONTENT,
    )
    shown.save(tmp_path / "embeddings.safetensors")
    write_projector(
        tmp_path / "embeddings.safetensors",
        "BPT-V2",
        tmp_path / "projector" / "projector_config.pbtxt",
    )
    text = (tmp_path / "projector" / "projector_config.pbtxt").read_text()
    (found,) = text_format.Parse(text, ProjectorConfig()).embeddings
    assert found.tensor_name == "BPT-V2"
    vectors = np.loadtxt(tmp_path / "projector" / found.tensor_path, delimiter="\t")
    np.testing.assert_allclose(vectors, embedding, rtol=1e-5)
    classes = pd.read_csv(tmp_path / "projector" / found.metadata_path, sep="\t")
    assert classes["class"].tolist() == ["Abuse", "Road Rage", "Road Rage"]
    assert classes["correct"].tolist() == ["yes", "yes", "no"]
