import numpy as np
import pytest
import torch

from bptubeformer.data.segments import Segments
from bptubeformer.data.windows import window_starts
from bptubeformer.evaluation.inference import attention_of, embed
from bptubeformer.models import build_model
from bptubeformer.training.forward import predict


@pytest.fixture
def model():
    torch.manual_seed(0)
    return build_model({"model": "bptubeformer", "token_width": 8, "depth": 2}, 13)


@pytest.fixture
def segments(store):
    starts, trajectory = window_starts(store.offsets, 24, 40)
    return Segments.of(store, starts, trajectory, 24, torch.device("cpu"))


def test_embeddings_are_what_the_head_sees(model, segments):
    embedding, predicted = embed(model, segments)
    assert embedding.shape == (len(segments), 96)
    logits = predict(model, segments)
    assert np.array_equal(predicted, logits.argmax(dim=1).numpy())
    torch.testing.assert_close(
        model.head(torch.from_numpy(embedding)), logits, rtol=1e-4, atol=1e-4
    )


def test_attention_is_that_of_the_last_layer(model, segments):
    segment = segments[slice(0, 1)][0][0]
    attention = attention_of(model, segment)
    layers = {}
    model.eval().embed(segment[None], layers)
    assert set(attention) == {"torso", "elbows", "wrists", "knees", "ankles", "body parts"}
    for name, weights in attention.items():
        assert len(layers[name]) == 2
        assert np.array_equal(weights, layers[name][-1][0].detach().numpy())
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
