import torch

from bptubeformer.models.layers import Attention, Block


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
