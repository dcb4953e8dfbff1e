"""Attention and the block by hand-worked cases. (Their equality with torch and production is tested under parity.)"""

from __future__ import annotations

import inspect
import math

import pytest
import torch
from torch import Tensor

import groundup.textbook
from groundup.textbook.attention import MultiHeadAttention, create_causal_mask, scaled_dot_product_attention
from groundup.textbook.transformer_block import TransformerBlock


@pytest.mark.parametrize(
    ("name", "signature"),
    [
        ("create_causal_mask", "(seq_len)"),
        ("TransformerBlock", "(d_model, num_heads, d_ff, dropout=0.1)"),
        (
            "SimpleLanguageModel",
            "(vocab_size, d_model=512, num_heads=8, num_layers=6, d_ff=2048, max_seq_len=1024, dropout=0.1)",
        ),
        (
            "train_language_model",
            "(model, train_loader, val_loader, num_epochs=10, learning_rate=0.0001, device='cpu')",
        ),
        ("generate_text", "(model, tokenizer, prompt, max_length=100, temperature=1.0, device='cpu')"),
        ("calculate_perplexity", "(model, data_loader, device='cpu')"),
    ],
)
def test_names_signatures_and_defaults_are_those_that_are_taught(name: str, signature: str) -> None:
    parameters = inspect.signature(getattr(groundup.textbook, name)).parameters.values()
    plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in parameters]
    assert str(inspect.Signature(plain)) == signature


def test_public_names_are_sorted_and_there() -> None:
    names = groundup.textbook.__all__
    assert names == sorted(names)
    assert all(hasattr(groundup.textbook, name) for name in names)


def test_causal_mask_hides_what_comes_later() -> None:
    hidden = float("-inf")
    assert create_causal_mask(3).tolist() == [[0, hidden, hidden], [0, 0, hidden], [0, 0, 0]]
    assert create_causal_mask(1).tolist() == [[0]]


def test_attention_by_hand() -> None:
    """One query with scores ln 1 and ln 3 after the scaling: weights 1/4 and 3/4."""
    query = torch.tensor([[2.0, 0.0, 0.0, 0.0]])  # (1, 4): the root of 4 is 2
    key = torch.tensor([[0.0, 5.0, 5.0, 5.0], [math.log(3), 5.0, 5.0, 5.0]])
    value = torch.tensor([[4.0, 0.0], [0.0, 8.0]])
    assert scaled_dot_product_attention(query, key, value).tolist()[0] == pytest.approx([1.0, 6.0])
    only_first = torch.tensor([[0.0, float("-inf")]])
    for mask in (only_first, torch.tensor([[True, False]])):
        assert scaled_dot_product_attention(query, key, value, mask).tolist() == [[4.0, 0.0]]


def test_a_query_that_may_look_nowhere_gets_zeros_and_no_nan() -> None:
    query, key, value = (torch.randn(3, 4, requires_grad=True) for _ in range(3))
    allowed = torch.tensor([[False, False, False], [True, False, False], [True, True, True]])
    added = torch.zeros(3, 3).masked_fill(~allowed, float("-inf"))
    for mask in (allowed, added):
        attended = scaled_dot_product_attention(query, key, value, mask)
        assert attended[0].tolist() == [0.0] * 4
        assert attended.isfinite().all()
        for gradient in torch.autograd.grad(attended.sum(), (query, key, value)):
            assert gradient.isfinite().all()
            assert gradient.abs().sum() > 0


def test_multi_head_attention_is_defined_and_mixes_heads_apart() -> None:
    """A change in one head's value columns reaches the output through that head's columns alone."""
    torch.manual_seed(0)
    attention = MultiHeadAttention(d_model=6, num_heads=2)
    attention.output_projection.load_state_dict({"weight": torch.eye(6), "bias": torch.zeros(6)})
    x = torch.randn(2, 4, 6)
    before = attention(x, x, x)
    assert before.shape == (2, 4, 6)
    with torch.no_grad():
        attention.value_projection.bias[:3] += 1.0
    assert torch.allclose(attention(x, x, x) - before, torch.tensor([1.0, 1, 1, 0, 0, 0]), atol=1e-6)


def test_dropout_works_in_training_only() -> None:
    torch.manual_seed(0)
    attention = MultiHeadAttention(d_model=4, num_heads=1, dropout=0.5)
    x = torch.randn(1, 5, 4)
    assert not torch.equal(attention(x, x, x), attention(x, x, x))
    attention.eval()
    assert torch.equal(attention(x, x, x), attention(x, x, x))


@pytest.mark.parametrize("num_heads", [0, 3, -1])
def test_heads_that_do_not_divide_the_width_are_refused(num_heads: int) -> None:
    with pytest.raises(
        ValueError, match=rf"num_heads = {num_heads} does not divide d_model = 8: make d_model a multiple"
    ):
        MultiHeadAttention(8, num_heads)


def test_block_is_post_norm_with_relu() -> None:
    """Zero branches leave LayerNorm(LayerNorm(x)); a constant bias in front of the ReLU passes only if positive."""
    block = TransformerBlock(d_model=4, num_heads=2, d_ff=3, dropout=0.0)
    with torch.no_grad():
        for parameter in [*block.attention.parameters(), *block.ffn.parameters()]:
            parameter.zero_()
    x = 3 + 5 * torch.randn(2, 3, 4)

    def normalize(x: Tensor) -> Tensor:
        return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, unbiased=False) + 1e-5).sqrt()

    assert torch.allclose(block(x), normalize(normalize(x)), atol=1e-5)
    first, last = block.ffn[0], block.ffn[3]
    with torch.no_grad():
        last.weight[0] = 1.0  # type: ignore[operator]
        first.bias.fill_(-1.0)  # type: ignore[operator]
    assert torch.allclose(block(x), normalize(normalize(x)), atol=1e-5)
    with torch.no_grad():
        first.bias.fill_(1.0)  # type: ignore[operator]
    assert torch.allclose(block(x), normalize(normalize(x) + torch.tensor([3.0, 0, 0, 0])), atol=1e-5)


def test_bfloat16_block_takes_the_float32_mask() -> None:
    block, x = TransformerBlock(d_model=8, num_heads=2, d_ff=16).eval(), torch.randn(2, 5, 8)
    expected = block(x, create_causal_mask(5))
    out = block.bfloat16()(x.bfloat16(), create_causal_mask(5))
    assert out.dtype == torch.bfloat16
    assert (out.float() - expected).abs().max() < 0.1  # eight bits of precision
