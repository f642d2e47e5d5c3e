import pytest
import torch

from bptubeformer.models.layers import FEW_TOKENS, Attention, Block, Dropout, Encoder, initialise


def test_attention_is_that_of_torch():
    """The same weights in torch's own multi-head attention give the same numbers."""
    torch.manual_seed(0)
    ours, x = Attention(16, 4).eval(), torch.randn(3, 5, 16)
    theirs = torch.nn.MultiheadAttention(16, 4, batch_first=True).eval()
    theirs.in_proj_weight.data, theirs.in_proj_bias.data = ours.qkv.weight, ours.qkv.bias
    theirs.out_proj.weight.data, theirs.out_proj.bias.data = ours.out.weight, ours.out.bias
    weights = []
    expected, expected_weights = theirs(x, x, x, average_attn_weights=False)
    torch.testing.assert_close(ours(x), expected)
    torch.testing.assert_close(ours(x, weights), expected)
    torch.testing.assert_close(weights[0], expected_weights)


def test_a_block_is_that_of_torch():
    torch.manual_seed(0)
    ours, x = Block(16, heads=4, mlp_ratio=2, dropout=0.0), torch.randn(3, 5, 16)
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True,
        layer_norm_eps=1e-6,
    )  # fmt: skip
    theirs.self_attn.in_proj_weight.data = ours.attention.qkv.weight
    theirs.self_attn.in_proj_bias.data = ours.attention.qkv.bias
    theirs.self_attn.out_proj.weight.data = ours.attention.out.weight
    theirs.self_attn.out_proj.bias.data = ours.attention.out.bias
    theirs.linear1.load_state_dict(ours.mlp[0].state_dict())
    theirs.linear2.load_state_dict(ours.mlp[2].state_dict())
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("tokens", [5, FEW_TOKENS + 1])
def test_the_fused_and_the_plain_attention_are_the_same(tokens):
    torch.manual_seed(0)
    attention, x = Attention(16, 4), torch.randn(3, tokens, 16, requires_grad=True)
    gradients = []
    for weights in (None, []):
        (gradient,) = torch.autograd.grad(attention(x, weights).square().sum(), x)
        gradients.append(gradient)
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-5)


def test_groups_have_encoders_of_their_own_computed_at_once():
    torch.manual_seed(0)
    settings = {"depth": 2, "heads": 4, "mlp_ratio": 2, "dropout": 0.0}
    stacked, one = Encoder(16, groups=3, **settings), Encoder(16, **settings)
    for encoder in (stacked, one):
        initialise(encoder, torch.nn.Linear(1, 1))
    for name, parameter in stacked.named_parameters():
        if "norm" in name:
            torch.nn.init.normal_(parameter)
    x, weights = torch.randn(3, 5, 7, 16), []
    together = stacked(x, weights)
    assert weights[0].shape == (3 * 5, 4, 7, 7)
    for group in range(3):
        one.load_state_dict({name: value[group] for name, value in stacked.state_dict().items()})
        alone = []
        torch.testing.assert_close(together[group], one(x[group], alone), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(weights[1].unflatten(0, (3, 5))[group], alone[1])


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_dropout_drops_so_many_and_scales_the_rest(probability):
    torch.manual_seed(0)
    dropout = Dropout(probability)
    x = torch.ones(999, 1001, requires_grad=True)
    y = dropout(x)
    kept = y != 0
    assert kept.float().mean().item() == pytest.approx(1 - probability, abs=0.003)
    assert y[kept].unique().tolist() == pytest.approx([1 / (1 - probability)], rel=2e-4)
    y.sum().backward()
    assert torch.equal(x.grad, y.detach())
    assert not torch.equal(dropout(x) != 0, kept)
    assert torch.equal(dropout.eval()(x), x)


def test_dropout_of_nothing_changes_nothing():
    x = torch.randn(3, 4)
    assert torch.equal(Dropout(0.0)(x), x)


def test_dropout_of_bfloat16_keeps_the_mean():
    torch.manual_seed(0)
    x = torch.ones(1000, 1000, dtype=torch.bfloat16)
    kept = Dropout(0.1)(x)
    assert kept.dtype == torch.bfloat16
    assert kept.float().unique().tolist() == pytest.approx([0, 1 / 0.9], rel=2**-8)
