import pytest
import torch

from bptubeformer.models.bptubeformer import BPTubeFormer
from bptubeformer.skeleton import COCO_17


@pytest.mark.parametrize(
    ("settings", "tokens", "width"),
    [
        ({}, 12, 384),
        ({"kernel": (1, 3, 3), "stride": (1, 3, 3)}, 24, 768),
        ({"kernel": (2, 2, 2), "stride": (2, 1, 1), "token_width": 8}, 48, 384),
        ({"kernel": (2, 2, 2), "stride": (1, 1, 1), "token_width": 8}, 92, 736),
        ({"segment_length": 60}, 30, 960),
        ({"padding": "replicate"}, 12, 384),
    ],
)
def test_one_class_makes_every_run_of_the_paper(settings, tokens, width):
    model = BPTubeFormer(classes=13, **{"depth": 1, **settings}).eval()
    attention = {}
    with torch.no_grad():
        embedding = model.embed(torch.rand(2, settings.get("segment_length", 24), 34), attention)
    assert embedding.shape == (2, width)
    assert list(attention) == [*COCO_17.parts, "body parts"]
    assert attention["wrists"][0].shape == (2, 8, tokens, tokens)
    assert attention["body parts"][0].shape == (2, 8, 6, 6)


def test_parts_do_not_share_weights_but_share_one_norm():
    model = BPTubeFormer(classes=3, depth=1)
    names = [name for name, _ in model.named_parameters()]
    for name, parameter in model.named_parameters():
        if name.startswith(("tubelet_embedding", "tubelet_transformers")):
            assert len(parameter) == len(COCO_17.parts), name
    weight = model.tubelet_embedding.convolution.weight
    assert not any(torch.equal(weight[0], other) for other in weight[1:])
    assert sum(name.startswith("tubelet_norm") for name in names) == 2


def test_a_part_reaches_its_own_tubelet_encoding_only():
    model = BPTubeFormer(classes=3, depth=1).eval()
    segments = torch.rand(1, 24, 34)
    seen = []
    model.class_token.register_forward_hook(lambda module, inputs, _: seen.append(inputs[0]))
    model(segments)
    segments[..., 2 * 9 : 2 * 11] += 1  # the wrists
    model(segments)
    changed = (seen[0] != seen[1]).any(dim=-1)[0]
    assert changed.nonzero().flatten().tolist() == [list(COCO_17.parts).index("wrists")]


def test_a_width_of_its_own_makes_body_part_transformers_of_one_size():
    """The width-matched controls: the part behind the tokeniser has the same weights' shapes."""
    shapes = []
    for kernel in (1, 2, 8):
        model = BPTubeFormer(
            classes=3, kernel=(kernel, 3, 3), stride=(kernel, 3, 3), body_part_width=384
        )
        assert model.embed(torch.rand(2, 24, 34)).shape == (2, 384)
        shapes.append([tuple(p.shape) for p in model.body_part_transformer.parameters()])
    assert shapes[0] == shapes[1] == shapes[2]
    plain = BPTubeFormer(classes=3)
    assert [tuple(p.shape) for p in plain.body_part_transformer.parameters()] == shapes[1]
    assert sum(p.numel() for p in plain.projection.parameters()) == 0
