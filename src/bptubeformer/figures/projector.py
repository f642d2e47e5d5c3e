"""Class tokens for TensorBoard's embedding projector, which the paper drew Fig. 5a with."""

from pathlib import Path

import numpy as np
import pandas as pd
from google.protobuf import text_format
from tensorboard.plugins.projector import ProjectorConfig

from bptubeformer.atomic import replacing, write_text
from bptubeformer.evaluation.inspection import Embeddings

VECTORS, CLASSES = "vectors.tsv", "classes.tsv"


def write_projector(embeddings: Path, name: str, output: Path) -> None:
    """Write class tokens for TensorBoard's embedding projector (tensorboard --logdir <folder>).

    Args:
        embeddings: written by embed.
        name: of the embedding, as TensorBoard shows it.
        output: ``<folder>/projector_config.pbtxt``; the vectors, and the true and the predicted
            class of each, are written to the same folder.

    Raises:
        InputError: the file holds no embeddings.
    """
    shown = Embeddings.load(embeddings)
    names = np.array(shown.categories)
    classes = pd.DataFrame(
        {
            "class": names[shown.label],
            "predicted": names[shown.predicted],
            "correct": np.where(shown.label == shown.predicted, "yes", "no"),
        }
    )
    with replacing(output.with_name(VECTORS)) as partial:
        np.savetxt(partial, shown.embedding, fmt="%.6g", delimiter="\t")
    with replacing(output.with_name(CLASSES)) as partial:
        classes.to_csv(partial, sep="\t", index=False, lineterminator="\n")
    config = ProjectorConfig()
    embedding = config.embeddings.add()
    embedding.tensor_name = name
    embedding.tensor_path = VECTORS
    embedding.metadata_path = CLASSES
    write_text(output, text_format.MessageToString(config))
