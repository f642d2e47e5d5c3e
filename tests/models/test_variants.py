"""Variants of BPTubeFormer, and models with a loss of their own, against what they say they do."""

import pytest
import torch
import torch.nn.functional as F

from bptubeformer.models import build_model
from bptubeformer.models.alstm import shape_and_motion
from bptubeformer.models.bptmirrored import mirrored_differences
from bptubeformer.models.layers import StochasticDepth
from bptubeformer.models.siameselstm import loss_of_pairs

SIZES = {"segment_length": 12, "token_width": 8}


@pytest.fixture
def segments():
    torch.manual_seed(0)
    return 100 * torch.rand(6, 12, 34)


def built(model, **run):
    torch.manual_seed(0)
    return build_model({"model": model, **SIZES, **run}, 3).eval()


def test_a_still_person_has_no_mirrored_differences(segments):
    still = segments[:, :1].expand(-1, 12, -1)
    assert not mirrored_differences(still).any()
    found = mirrored_differences(segments)
    assert torch.equal(found, found.flip(1))
    assert torch.equal(found[:, 0], (segments[:, 11] - segments[:, 0]).abs())
    segments[:, 0, 4:6] = 0
    assert not mirrored_differences(segments)[:, [0, 11], 4:6].any()


def test_the_mirrored_model_adds_a_convolution_of_the_differences(segments):
    tubelets = built("bptmirrored").tubelet_embedding.convolution
    expected = tubelets.places(segments) + tubelets.differences(mirrored_differences(segments))
    assert torch.equal(tubelets(segments), expected)


def test_separable_tubelets_are_a_convolution_of_each_frame_and_one_over_frames(segments):
    layer = built("bptseparable", kernel=[3, "part", "part"], stride=[2, "part", "part"])
    layer = layer.tubelet_embedding.convolution
    of_frames = torch.relu(layer.over_grid(segments))  # (G, B, T, M)
    assert layer.shape == (5, 1, 1)
    found = layer(segments)
    for place in range(5):
        window = of_frames[:, :, 2 * place : 2 * place + 3]
        weight = layer.over_time.weight.unflatten(2, (-1, 3))  # (G, e, M, frames)
        expected = torch.einsum("gbtm,gemt->gbe", window, weight)
        expected = expected + layer.over_time.bias.unsqueeze(1)
        torch.testing.assert_close(found[:, :, place], expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("learner", ["mlp", "convolution", "attention", "mean"])
def test_a_learned_token_is_a_mean_of_tubelets(learner):
    torch.manual_seed(0)
    layer = built("bpttokenlearner", tokens=3, learner=learner).tubelet_transformers.shares
    shares = layer(torch.rand(5, 2, 6, 8)).softmax(dim=-1)
    assert shares.shape == (5, 2, 3, 6)
    torch.testing.assert_close(shares.sum(dim=-1), torch.ones(5, 2, 3))
    if learner == "mean":
        expected = torch.block_diag(*(torch.full((1, 2), 0.5) for _ in range(3)))
        assert torch.equal(shares[0, 0], expected)


def test_no_more_means_than_tubelets():
    with pytest.raises(ValueError, match="8 means of 6 tubelets; use at most 6 tokens"):
        built("bpttokenlearner", learner="mean", tokens=8)


def test_the_class_token_chooses_which_tubelets_are_kept():
    model = built("bpttokensampling", samples=4)
    encoder = model.tubelet_transformers
    weights, values = torch.full((1, 2, 7, 7), 1 / 7), torch.ones(1, 2, 7, 4)
    index, first = encoder._chosen(weights, values)
    # Equal shares of six tubelets, at 1/8, 3/8, 5/8 and 7/8.
    assert index.tolist() == [[0, 1, 3, 4, 6]]
    assert first.all()
    values[:, :, [1, 2, 3, 4, 6]] = 0
    index, first = encoder._chosen(weights, values)
    assert index.tolist() == [[0, 5, 5, 5, 5]]
    assert first.tolist() == [[True, True, False, False, False]]


def test_what_was_not_sampled_is_empty(segments):
    model = built("bpttokensampling", samples=4)
    tubelets = model.tubelet_transformers(model.tubelet_embedding(segments))
    assert tubelets.shape == (5, 6, 5, 8)
    empty = ~tubelets.any(dim=-1)
    assert not empty[:, :, :2].any()
    attention = {}
    model.embed(segments, attention)
    assert attention["torso"][-1].shape[-1] == 1 + 6


def test_views_of_an_ensemble_learn_by_themselves(segments):
    model = built("bptmultiview", fusion="ensemble", frames=[2, 4], depths=[1, 1])
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    whole = model.loss(segments, labels, F.cross_entropy)
    parts = model.embed(segments).split([view.width for view in model.views], dim=1)
    weights = model.head.weight.split([view.width for view in model.views], dim=1)
    logits = [F.linear(2 * part, weight, model.head.bias)
              for part, weight in zip(parts, weights, strict=True)]  # fmt: skip
    each = [F.cross_entropy(one, labels) for one in logits]
    torch.testing.assert_close(whole, torch.stack(each).mean())
    torch.testing.assert_close(model(segments), torch.stack(logits).mean(dim=0))
    # The loss of one view has no gradient in the other.
    gradient = torch.autograd.grad(each[0], [*model.views[1].parameters()], allow_unused=True)
    assert not any(one is not None and one.any() for one in gradient)


@pytest.mark.parametrize("fusion", ["mlp", "bottleneck", "cross-view"])
@pytest.mark.parametrize("toward", ["fewer", "more"])
def test_a_view_is_told_of_those_before_it(segments, fusion, toward):
    model = built("bptmultiview", fusion=fusion, toward=toward, frames=[2, 4], depths=[1, 1])
    assert [view.tubelet_embedding.convolution.shape[0] for view in model.views] == (
        [6, 3] if toward == "fewer" else [3, 6]
    )
    before, last = model.views
    seen = {}
    for name, view in (("before", before), ("last", last)):
        view.last.register_forward_hook(lambda *given, name=name: seen.update({name: given[2]}))
    model(segments)
    told = {name: value.clone() for name, value in seen.items()}
    with torch.no_grad():
        before.tubelet_embedding.positions.add_(1.0)
    model(segments)
    assert not torch.allclose(seen["last"], told["last"])
    with torch.no_grad():
        last.tubelet_embedding.positions.add_(1.0)
    again = {name: value.clone() for name, value in seen.items()}
    model(segments)
    assert torch.equal(seen["before"], again["before"])


def test_views_have_as_many_lengths_as_depths():
    with pytest.raises(ValueError, match=r"bptmultiview needs len\(frames\) == len\(depths\)"):
        built("bptmultiview", frames=[2, 4], depths=[1, 1, 1])


def test_a_branch_that_is_left_out_leaves_its_expectation():
    torch.manual_seed(0)
    layer, branch = StochasticDepth(0.3).train(), torch.ones(2000, 3, 4)
    found = layer(branch)
    of_segments = found.flatten(1)
    assert ((of_segments == 0).all(dim=1) | (of_segments > 1).all(dim=1)).all()
    assert found.mean() == pytest.approx(1, abs=0.05)
    assert torch.equal(layer.eval()(branch), branch)


def test_deeper_blocks_are_left_out_more_often():
    model = built("bptubeformer", depth=4, stochastic_depth=0.2)
    shares = [block.drop[1].share for block in model.body_part_transformer.blocks]
    assert shares == pytest.approx([0.05, 0.1, 0.15, 0.2])


def test_pairs_of_a_class_are_drawn_together_and_others_apart():
    same = torch.tensor([[1.0, 0.0], [1.0, 0.0]])
    across = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    one, two = torch.tensor([0, 0]), torch.tensor([0, 1])
    assert loss_of_pairs(same, one, 0.5) == 0
    assert loss_of_pairs(across, one, 0.5) == 1
    assert loss_of_pairs(across, two, 0.5) == 0
    assert loss_of_pairs(same, two, 0.5) == pytest.approx(0.25)


def test_the_classifier_of_the_siamese_network_changes_no_other_weight(segments):
    model = build_model({"model": "siameselstm", "segment_length": 12, "width": 8}, 3)
    labels = torch.tensor([0, 1, 2, 0, 1, 2])
    found = []
    for factor in (0, 1000):
        model.zero_grad()
        model.loss(
            segments, labels, lambda *given, by=factor: by * F.cross_entropy(*given)
        ).backward()
        found.append(model.recurrent.weight_ih_l0.grad.clone())
        assert model.head.weight.grad.any() == bool(factor)
    assert torch.equal(*found)
    # Mixed segments count as those of the class with the larger share.
    shares = F.one_hot(labels, 3) * 0.6 + F.one_hot((labels + 1) % 3, 3) * 0.4
    whole = model.loss(segments, shares, F.cross_entropy)
    of_classifier = F.cross_entropy(model(segments), shares)
    torch.testing.assert_close(
        whole - of_classifier, loss_of_pairs(model.embed(segments), labels, model.margin)
    )


def test_shape_and_motion_are_58_numbers_of_a_frame(segments):
    segments[:, :, 2:4] = 0
    found = shape_and_motion(segments)
    assert found.shape == (6, 12, 58)
    occupied = found[..., :16]
    assert set(occupied.unique().tolist()) == {0.0, 1.0}
    assert (occupied.sum(dim=-1) >= 1).all()
    joints = segments.unflatten(-1, (-1, 2))
    x = joints[..., 0].masked_fill(joints[..., 0] == 0, torch.nan).nan_to_num(1e9)
    high = joints[..., 0].amax(dim=-1)
    torch.testing.assert_close(found[..., 16], high - x.amin(dim=-1))
    assert not found[:, 0, 18:].any()
    speed = (joints[:, 5, 0] - joints[:, 4, 0]).norm(dim=-1)
    torch.testing.assert_close(found[:, 5, 18], speed)
    assert not found[:, 1, 35:52].any()
    still = segments[:, :1].expand(-1, 12, -1)
    assert not shape_and_motion(still)[..., 18:].any()
    # A joint that comes or goes has no speed.
    segments[:, 5, :2] = 0
    assert not shape_and_motion(segments)[:, 5:7, 18].any()


@pytest.mark.parametrize("channel_attention", ["CA-B", "CA-C", "CA-D"])
def test_channels_are_weighed_in_each_part_and_each_part_by_one_number(channel_attention):
    model = built("bptse", channel_attention=channel_attention)
    tubelets = torch.rand(5, 6, 4, 8) + 1
    weights = [layer(part.mean(dim=1)) for layer, part in zip(model.of_each, tubelets, strict=True)]
    weighed = tubelets * torch.stack(weights).sigmoid().unsqueeze(2)
    seen = weighed if channel_attention == "CA-B" else tubelets
    means = seen.mean(dim=2).permute(1, 0, 2).flatten(1)  # (B, P * e)
    of_parts = (model.weigh(tubelets) / weighed).flatten(2)
    torch.testing.assert_close(of_parts, of_parts[..., :1].expand_as(of_parts))
    if channel_attention != "CA-C":
        expected = model.of_all(means).sigmoid().T
        torch.testing.assert_close(of_parts[..., 0], expected)


def test_the_convolution_over_tubelets_sees_the_parts_as_they_were():
    model = built("bptse", channel_attention="CA-C")
    tubelets = torch.rand(5, 6, 4, 8) + 1
    maps = F.pad(tubelets.permute(1, 0, 3, 2).flatten(1, 2), (1, 1))
    kernel, bias = model.of_all.weight, model.of_all.bias
    places = [(maps[:, None, :, n : n + 3] * kernel).sum(dim=(2, 3)) + bias for n in range(4)]
    torch.nn.init.zeros_(model.of_each[0][2].weight)
    torch.nn.init.zeros_(model.of_each[0][2].bias)  # weights of the first part are 1/2
    found = model.weigh(tubelets)[0] / tubelets[0] * 2
    expected = torch.stack(places).mean(dim=0).sigmoid()[:, 0]
    torch.testing.assert_close(found, expected[:, None, None].expand_as(found))


def test_nothing_is_dropped_in_the_first_block_of_stgcn():
    blocks = build_model({"model": "stgcn", "segment_length": 12}, 3).blocks
    assert [block.time[-1].p for block in blocks] == [0, *[0.5] * 9]
