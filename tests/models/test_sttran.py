import torch

from bptubeformer.models.sttran import STTran


def test_tokens_are_those_of_the_paper():
    """Section 4: 17 tokens of width 32 a frame, 60 tokens of width 544 (and the class token)."""
    model = STTran(classes=13, depth=1).eval()
    attention = {}
    with torch.no_grad():
        embedding = model.embed(torch.rand(2, 60, 34), attention)
    assert embedding.shape == (2, 544)
    assert attention["joints"][0].shape == (2 * 60, 8, 17, 17)
    assert attention["frames"][0].shape == (2, 8, 61, 61)
