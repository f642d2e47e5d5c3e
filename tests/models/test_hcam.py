"""The hierarchy of HCAM, against one written chunk by chunk."""

import re

import pytest
import torch

from bptubeformer.models import build_model
from bptubeformer.models.hcam import HCAM
from bptubeformer.models.layers import Block


def a_model(**sizes):
    torch.manual_seed(0)
    model = HCAM(classes=3, width=16, **sizes).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.1 * torch.randn(parameter.shape)
    return model


@pytest.mark.parametrize(
    ("frames", "levels", "sizes", "chunks"),
    [
        (24, 5, [32, 16, 8, 4, 2], [1, 2, 3, 6, 12]),
        (24, 4, [24, 12, 6, 3], [1, 2, 4, 8]),
        (24, 6, [32, 16, 8, 4, 2, 1], [1, 2, 3, 6, 12, 24]),
        (60, 6, [64, 32, 16, 8, 4, 2], [1, 2, 4, 8, 15, 30]),
        (1, 1, [1], [1]),
    ],
)
def test_each_level_halves_the_chunks_and_leaves_out_those_without_a_frame(
    frames, levels, sizes, chunks
):
    model = HCAM(classes=3, width=16, segment_length=frames, levels=levels)
    assert (model.sizes, model.chunks) == (sizes, chunks)
    attention = {}
    model.embed(torch.rand(2, frames, 34), attention)
    assert [[tuple(one.shape) for one in level] for level in attention.values()] == [
        [(2 * count, 4, 1 + size, 1 + size)] for size, count in zip(sizes, chunks, strict=True)
    ]
    assert [*attention] == [f"level {1 + level}" for level in range(levels)]


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("frames", [24, 21])
def test_the_embedding_is_that_of_one_chunk_after_the_other(shared, frames):
    model = a_model(segment_length=frames, shared=shared)
    segments = torch.rand(2, frames, 34)
    empty = torch.zeros(2, 32 - frames, 16)
    hidden = torch.cat([model.embedding(segments), empty], dim=1) + model.positions
    embeddings = []
    for level in range(5):
        size, codes, rows = 32 // 2**level, [], []
        for chunk in range(model.chunks[level]):
            layer = model.levels[level]
            if not shared:
                layer = Block(16, heads=4, mlp_ratio=2, dropout=0.1).eval()
                own = {key: value[chunk] for key, value in model.levels[level].state_dict().items()}
                layer.load_state_dict(own)
            inputs = hidden[:, chunk * size : (chunk + 1) * size]
            outputs = layer(torch.cat([model.query.expand(2, 1, -1), inputs], dim=1))
            codes.append(model.perceptron(model.norm(outputs[:, 0])))
            rows.append(outputs[:, 1:])
        hidden = torch.cat(rows, dim=1)
        seen = model.norm(hidden[:, :frames]).mean(1)
        embeddings.append(torch.cat([torch.stack(codes).mean(0), seen], dim=1))
    expected = torch.stack(embeddings).mean(0)
    torch.testing.assert_close(model.embed(segments), expected, rtol=1e-4, atol=1e-5)


def test_a_shared_layer_has_the_weights_of_one_chunk():
    def weights(model):
        return sum(p.numel() for p in model.levels.parameters())

    own, shared = (HCAM(classes=3, width=16, shared=shared) for shared in (False, True))
    assert weights(own) / sum(own.chunks) == weights(shared) / len(shared.chunks)


@pytest.mark.parametrize(
    ("sizes", "words"),
    [({"levels": 7}, "hcam needs 2 ** (levels - 1) < 2 * segment_length; segment_length is 24, "
      "levels is 7"),
     ({"width": 30}, "width % heads == 0; width is 30, heads is 4")],
)  # fmt: skip
def test_sizes_that_do_not_fit_are_refused(sizes, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        build_model({"model": "hcam", "segment_length": 24, **sizes}, 3)
