"""`SimpleLanguageModel`: what a causal language model must do whatever its weights, and faults that are easily made."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from groundup.textbook import language_model
from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.next_token import next_token_loss

V = 20


def small_model(std: float | None = None, max_seq_len: int = 16) -> SimpleLanguageModel:
    """Two layers of width 8; with `std`, every weight is drawn anew, so that logits differ clearly."""
    torch.manual_seed(0)
    model = SimpleLanguageModel(V, d_model=8, num_heads=2, num_layers=2, d_ff=16, max_seq_len=max_seq_len).eval()
    if std is not None:
        for parameter in model.parameters():
            nn.init.normal_(parameter, std=std)
    return model


def test_logits_have_a_score_for_every_token() -> None:
    assert small_model()(torch.randint(V, (3, 5))).shape == (3, 5, V)


def test_parameter_count_of_the_defaults() -> None:
    """Counted by hand for V = 1000: two embeddings, six blocks, the last norm, the output projection."""
    with torch.device("meta"):
        model = SimpleLanguageModel(1000)
    d, d_ff = 512, 2048
    block = 4 * (d * d + d) + (d * d_ff + d_ff) + (d_ff * d + d) + 2 * 2 * d
    expected = 1000 * d + 1024 * d + 6 * block + 2 * d + (1000 * d + 1000)
    assert sum(parameter.numel() for parameter in model.parameters()) == expected


def test_future_tokens_leak_nothing() -> None:
    model, ids = small_model(std=0.5), torch.randint(V, (1, 10))
    logits = model(ids)
    for t in range(10):
        changed = ids.clone()
        changed[0, t] = (ids[0, t] + 1) % V
        difference = (model(changed) - logits).abs().amax(dim=-1)[0]  # (T,)
        assert (difference[:t] == 0).all()
        assert (difference[t:] > 0).all()


@settings(max_examples=25, deadline=None)
@given(lengths=st.lists(st.integers(1, 6), min_size=1, max_size=4), data=st.data())
def test_padding_on_either_side_changes_nothing_for_real_tokens(lengths: list[int], data: st.DataObject) -> None:
    model = small_model(std=0.5)
    generator = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    width = max(lengths) + data.draw(st.integers(0, 3))
    ids = torch.randint(V, (len(lengths), width), generator=generator)  # padding is any id
    mask = torch.zeros(len(lengths), width, dtype=data.draw(st.sampled_from([torch.long, torch.bool, torch.float32])))
    starts = [data.draw(st.integers(0, width - length)) for length in lengths]
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        mask[row, start : start + length] = 1
    logits = model(ids, mask)
    for row, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        alone = model(ids[row : row + 1, start : start + length])[0]
        assert (logits[row, start : start + length] - alone).abs().max() < 1e-5


def test_attention_mask_is_not_ignored() -> None:
    model, ids = small_model(std=0.5), torch.randint(V, (1, 4))
    hidden_first = model(ids, torch.tensor([[0, 1, 1, 1]]))
    assert (hidden_first - model(ids))[0, 1:].abs().min(dim=-1).values.max() > 1e-3


def test_fully_padded_rows_give_no_nan() -> None:
    model, ids = small_model(std=0.5), torch.randint(V, (2, 5))
    mask = torch.tensor([[0, 0, 0, 0, 0], [0, 0, 1, 1, 1]])
    logits = model(ids, mask)
    assert logits.isfinite().all()
    summed, num_tokens = next_token_loss(model, {"input_ids": ids, "attention_mask": mask})
    assert num_tokens == 2
    summed.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())


def test_initial_loss_is_that_of_a_blind_guess() -> None:
    torch.manual_seed(1)
    model = SimpleLanguageModel(100, d_model=64, num_heads=4, num_layers=2, d_ff=128, max_seq_len=32)
    summed, num_tokens = next_token_loss(model, {"input_ids": torch.randint(100, (8, 32))})
    assert summed.item() / num_tokens == pytest.approx(math.log(100), abs=0.05)


def test_weights_start_as_stated() -> None:
    torch.manual_seed(0)
    model = SimpleLanguageModel(200, d_model=64, num_heads=4, num_layers=2, d_ff=256, max_seq_len=64)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            assert parameter.std().item() == pytest.approx(0.02, rel=0.05), name
            assert abs(parameter.mean().item()) < 0.002, name
        else:
            is_scale = name.endswith("weight")  # of a LayerNorm
            assert (parameter == (1.0 if is_scale else 0.0)).all(), name


def test_bfloat16_model_works() -> None:
    model, ids = small_model(std=0.5), torch.randint(V, (2, 6))
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [0, 0, 1, 1, 1, 1]])
    expected = model(ids, mask)[mask != 0]
    model.bfloat16()
    for logits in (model(ids), model(ids, mask)):
        assert logits.dtype == torch.bfloat16
        assert logits.isfinite().all()
    assert (model(ids, mask)[mask != 0].float() - expected).abs().max() < 0.3  # eight bits of precision
    summed, _ = next_token_loss(model, {"input_ids": ids, "attention_mask": mask})
    summed.backward()  # type: ignore[no-untyped-call]


def test_the_mask_is_not_rebuilt_at_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    model, ids = small_model(), torch.randint(V, (2, 6))
    expected = model(ids)

    def rebuilt(seq_len: int) -> Tensor:
        raise AssertionError("create_causal_mask was called again")

    monkeypatch.setattr(language_model, "create_causal_mask", rebuilt)
    assert torch.equal(model(ids), expected)
    with pytest.raises(AssertionError):
        small_model()  # the constructor is where it is called


def test_saved_weights_hold_what_is_learned_and_nothing_else() -> None:
    model = small_model()
    assert model.state_dict().keys() == dict(model.named_parameters()).keys()


def test_more_tokens_than_positions_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"The input has 17 tokens, .* at most max_seq_len = 16: cut the input, or make"
    ):
        small_model()(torch.zeros(1, 17, dtype=torch.long))


@pytest.mark.parametrize(
    ("ids_shape", "mask_shape", "message"),
    [
        ((5,), None, r"shape \(5,\), attention_mask None: both must be \(batch, tokens\); make a batch of one"),
        ((2, 5), (2, 4), r"shape \(2, 5\), attention_mask \(2, 4\): both must be \(batch, tokens\)"),
    ],
)
def test_wrong_shapes_are_refused(ids_shape: tuple[int, ...], mask_shape: tuple[int, ...] | None, message: str) -> None:
    mask = None if mask_shape is None else torch.ones(mask_shape)
    with pytest.raises(ValueError, match=message):
        small_model()(torch.zeros(ids_shape, dtype=torch.long), mask)
