"""The textbook is the oracle: on the same weights, the production code gives the same numbers (fp32, within 1e-5)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.preference_pairs import pair_batch, random_pairs
from torch import Tensor, nn
from torch.utils.data import DataLoader

from groundup.exports.quantize import quantize_matrix
from groundup.generation.engine import Engine
from groundup.generation.generation import Generation
from groundup.generation.request import Request
from groundup.generation.settings import GenerationSettings
from groundup.model.lora import add_lora, lora_layers
from groundup.model.lora_settings import LoraSettings
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.textbook.attention import MultiHeadAttention, create_causal_mask, scaled_dot_product_attention
from groundup.textbook.continuous_batching import ContinuousBatch
from groundup.textbook.dpo import answer_log_probability, dpo_loss, train_on_preferences
from groundup.textbook.generation import generate_text, generate_tokens
from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.lora import LoraLinear
from groundup.textbook.lora import add_lora as add_textbook_lora
from groundup.textbook.next_token import next_token_loss
from groundup.textbook.perplexity import calculate_perplexity
from groundup.textbook.quantization import dequantize, quantize
from groundup.textbook.tokenizers import CharacterTokenizer
from groundup.textbook.training import train_language_model
from groundup.training.objectives.preference import preference_loss_sum, reference_log_probabilities
from groundup.training.optimizers import Optimizer
from groundup.training.settings import PreferenceSettings, TrainingSettings

TOLERANCE = 1e-5
V, D, H, LAYERS, D_FF, CONTEXT = 11, 12, 3, 2, 20, 8
BLOCK_NAMES = {
    "attention.output_projection": "attention.output",
    "norm1": "attention_norm",
    "norm2": "feed_forward_norm",
    "ffn.0": "feed_forward.input",
    "ffn.3": "feed_forward.output",
}


def textbook_model(dropout: float = 0.0, std: float = 0.3) -> SimpleLanguageModel:
    """A small model whose every number, norms and biases too, is random, so that no two parts can be confused."""
    model = SimpleLanguageModel(V, D, H, LAYERS, D_FF, CONTEXT, dropout)
    generator = torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=std, generator=generator)
    return model


def lively_model() -> SimpleLanguageModel:
    """One that writes more than a single token over and over: wide matrices, but no biases of its own."""
    model = SimpleLanguageModel(V, D, H, LAYERS, D_FF, CONTEXT).eval()
    generator = torch.Generator().manual_seed(6)
    for parameter in model.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, std=1.0, generator=generator)
    return model


def in_production_names(textbook: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights or gradients of a `SimpleLanguageModel` under the names of the classic `Transformer`."""
    renamed = {}
    for name, tensor in textbook.items():
        if name.startswith("transformer_blocks."):
            _, layer, rest = name.split(".", 2)
            part, kind = rest.rsplit(".", 1)
            if part == "attention.query_projection":
                parts = [
                    textbook[name.replace("query", which)] for which in ("query", "key", "value")
                ]  # one fused product
                renamed[f"blocks.{layer}.attention.qkv.{kind}"] = torch.cat(parts)
            elif part in BLOCK_NAMES:
                renamed[f"blocks.{layer}.{BLOCK_NAMES[part]}.{kind}"] = tensor
        else:
            renamed[name.replace("ln_final", "final_norm")] = tensor
    return renamed


def production_model(textbook: SimpleLanguageModel, dropout: float = 0.0) -> Transformer:
    config = preset_config(
        "classic",
        vocab_size=V,
        d_model=D,
        num_heads=H,
        num_layers=LAYERS,
        d_ff=D_FF,
        max_seq_len=CONTEXT,
        dropout=dropout,
    )
    model = Transformer(config)
    model.load_state_dict(in_production_names(textbook.state_dict()))  # strict: every tensor has its place
    return model


def gradients(model: nn.Module) -> dict[str, Tensor]:
    found = {name: parameter.grad for name, parameter in model.named_parameters()}
    return {name: grad for name, grad in found.items() if grad is not None}


def assert_same(ours: Tensor, theirs: Tensor) -> None:
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max().item() <= TOLERANCE


def random_ids(batch_size: int, seq_len: int, seed: int = 1) -> Tensor:
    return torch.randint(V, (batch_size, seq_len), generator=torch.Generator().manual_seed(seed))


MASKS = {
    "none": None,
    "all real": torch.ones(3, 7, dtype=torch.long),
    "right": torch.tensor([[1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0]]),
    "left": torch.tensor([[1, 1, 1, 1, 1, 1, 1], [0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 1, 1]]),
    "both sides": torch.tensor([[0, 1, 1, 1, 1, 1, 0], [0, 0, 1, 1, 0, 0, 0], [1, 1, 1, 1, 1, 0, 0]]),
}


@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS.keys())
def test_simple_language_model_equals_the_classic_transformer(mask: Tensor | None) -> None:
    textbook = textbook_model()
    production = production_model(textbook)
    ids = random_ids(3, 7)
    logits, expected = textbook(ids, mask), production(ids, mask)
    is_real = torch.ones(3, 7, dtype=torch.bool) if mask is None else mask != 0
    assert_same(logits[is_real], expected[is_real])

    direction = torch.randn(3, 7, V, generator=torch.Generator().manual_seed(2)) / is_real.sum()
    (logits * direction)[is_real].sum().backward()
    (expected * direction)[is_real].sum().backward()
    ours, theirs = in_production_names(gradients(textbook)), gradients(production)
    assert ours.keys() == theirs.keys()
    for name, gradient in theirs.items():
        assert_same(ours[name], gradient)


def test_the_same_seed_drops_the_same_activations() -> None:
    textbook = textbook_model(dropout=0.3).train()
    production = production_model(textbook, dropout=0.3).train()
    ids = random_ids(2, 6)
    torch.manual_seed(5)
    ours = textbook(ids)
    torch.manual_seed(5)
    theirs = production(ids)
    assert_same(ours, theirs)
    assert (ours - textbook.eval()(ids)).abs().max() > 0.1


def test_transformer_block_equals_the_production_block() -> None:
    textbook = textbook_model()
    production = production_model(textbook)
    x = torch.randn(2, 5, D, generator=torch.Generator().manual_seed(3))
    for layer in range(LAYERS):
        block = production.blocks[layer]
        ours = textbook.transformer_blocks[layer]
        assert_same(ours(x, create_causal_mask(5)), block(x, None, None, None, layer, True))
        assert_same(ours(x), block(x, None, None, None, layer, False))


@settings(max_examples=30, deadline=None)
@given(
    batch=st.integers(1, 2), heads=st.integers(1, 3), T=st.integers(1, 6), S=st.integers(1, 6), seed=st.integers(0, 99)
)
def test_attention_equals_torch_for_every_mask(batch: int, heads: int, T: int, S: int, seed: int) -> None:
    """Boolean masks are drawn at random, so rows that may look nowhere occur, too."""
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(batch, heads, T, 4, generator=generator)
    key, value = torch.randn(2, batch, heads, S, 4, generator=generator)
    allowed = torch.rand(batch, 1, T, S, generator=generator) < 0.6
    added = torch.zeros(allowed.shape).masked_fill(~allowed, float("-inf"))
    for mask in (None, allowed, added):
        expected = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
        assert_same(scaled_dot_product_attention(query, key, value, mask), expected)
    if T == S:
        expected = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        assert_same(scaled_dot_product_attention(query, key, value, create_causal_mask(T)), expected)


def test_multi_head_attention_equals_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = MultiHeadAttention(D, H), nn.MultiheadAttention(D, H, batch_first=True)
    for parameter in ours.parameters():
        nn.init.normal_(parameter, std=0.3)
    projections = (ours.query_projection, ours.key_projection, ours.value_projection)
    theirs.load_state_dict(
        {
            "in_proj_weight": torch.cat([projection.weight for projection in projections]),
            "in_proj_bias": torch.cat([projection.bias for projection in projections]),
            "out_proj.weight": ours.output_projection.weight,
            "out_proj.bias": ours.output_projection.bias,
        }
    )
    query, memory = torch.randn(2, 5, D), torch.randn(2, 7, D)
    assert_same(ours(query, memory, memory), theirs(query, memory, memory)[0])
    mask = create_causal_mask(5)
    assert_same(ours(query, query, query, mask), theirs(query, query, query, attn_mask=mask)[0])


def padded_batches() -> list[dict[str, Tensor]]:
    """Two batches of unequal size, one with padding: (3, 7) with 4 + 3 + 6 predicted tokens, (2, 5) with 8."""
    mask = torch.tensor([[1, 1, 1, 1, 1, 0, 0], [0, 0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]])
    return [{"input_ids": random_ids(3, 7), "attention_mask": mask}, {"input_ids": random_ids(2, 5, seed=4)}]


def row_losses(production: Transformer, batch: Mapping[str, Tensor]) -> Tensor:
    """-ln P of each predicted token of a batch, row by row, the padding cut away by hand."""
    losses = []
    for row, ids in enumerate(batch["input_ids"]):
        if "attention_mask" in batch:
            ids = ids[batch["attention_mask"][row] != 0]
        log_probabilities = production(ids[None, :-1])[0].log_softmax(dim=-1)  # (T-1, V)
        losses += [-log_probabilities[t, ids[t + 1]] for t in range(len(ids) - 1)]
    return torch.stack(losses)


def test_perplexity_equals_a_hand_computation_with_the_production_model() -> None:
    textbook = textbook_model()
    production = production_model(textbook)
    batches = padded_batches()
    losses = torch.cat([row_losses(production, batch) for batch in batches])
    assert len(losses) == 4 + 3 + 6 + 8
    expected = math.exp(losses.mean().item())
    assert calculate_perplexity(textbook, batches) == pytest.approx(expected, abs=0, rel=TOLERANCE)
    assert calculate_perplexity(production, batches) == pytest.approx(expected, abs=0, rel=TOLERANCE)


def test_training_equals_the_same_steps_by_hand_with_the_production_model(capsys: pytest.CaptureFixture[str]) -> None:
    textbook = textbook_model(std=0.5)
    production = production_model(textbook)
    batches, peak, num_epochs = padded_batches(), 1e-3, 2
    train_loader: DataLoader[Any] = DataLoader(batches, batch_size=None)  # type: ignore[arg-type]  # a list of batches serves as data set
    val_loader: DataLoader[Any] = DataLoader(batches[1:], batch_size=None)  # type: ignore[arg-type]
    train_language_model(textbook, train_loader, val_loader, num_epochs=num_epochs, learning_rate=peak)
    printed = capsys.readouterr().out

    embeddings = {"token_embedding.weight", "position_embedding.weight"}
    named = dict(production.named_parameters())
    matrices = [parameter for name, parameter in named.items() if parameter.ndim == 2 and name not in embeddings]
    others = [parameter for name, parameter in named.items() if parameter.ndim == 1 or name in embeddings]
    groups = [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=peak)
    factors = [1.0, *(0.5 * (1 + math.cos(math.pi * quarter / 4)) for quarter in (1, 2, 3))]  # one step of warm-up
    norms: list[float] = []
    for step, factor in enumerate(factors):
        loss = row_losses(production, batches[step % 2]).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.stack([parameter.grad.norm() for parameter in named.values() if parameter.grad is not None]).norm()
        norms.append(norm.item())
        for parameter in named.values():
            assert parameter.grad is not None
            parameter.grad.mul_(min(1.0, 1 / (norm.item() + 1e-6)))
        for group in optimizer.param_groups:
            group["lr"] = peak * factor
        optimizer.step()
        if step % 2 == 0:
            assert f"Epoch {step // 2}, Batch 0, Loss: {loss.item():.4f}\n" in printed
    assert min(norms) > 1.5  # so clipping was put to the test
    final = row_losses(production, batches[1]).mean().item()
    assert printed.endswith(f"  Val Loss: {final:.4f}\n  Learning Rate: {peak * factors[-1]:.6f}\n")

    trained = in_production_names(dict(textbook.named_parameters()))
    for name, parameter in named.items():
        # A key's bias adds the same to all of a query's scores, which the softmax doesn't see: its gradient is 0 but
        # for rounding, and Adam makes steps even of that. Nothing depends on it, so it is left out here.
        compared = slice(None) if not name.endswith("qkv.bias") else [*range(D), *range(2 * D, 3 * D)]
        assert_same(trained[name][compared], parameter[compared])
    assert_same(textbook(random_ids(3, 7)), production(random_ids(3, 7)))
    start = in_production_names(dict(textbook_model(std=0.5).named_parameters()))
    assert all((trained[name] - start[name]).abs().max() > 100 * TOLERANCE for name in trained)


def test_the_loss_of_a_batch_takes_the_production_model_too() -> None:
    textbook = textbook_model()
    for batch in padded_batches():
        ours, theirs = next_token_loss(textbook, batch), next_token_loss(production_model(textbook), batch)
        assert ours[1] == theirs[1]
        assert ours[0].item() / ours[1] == pytest.approx(theirs[0].item() / theirs[1], abs=TOLERANCE)


@pytest.mark.parametrize("prompt", [[3], [1, 2, 3, 4], list(range(V))], ids=["one token", "short", "past the context"])
def test_greedy_generation_equals_the_engine_past_the_context_too(prompt: list[int]) -> None:
    textbook = lively_model()
    greedy = GenerationSettings(max_new_tokens=3 * CONTEXT, temperature=0.0)
    engine = Generation(production_model(textbook), [prompt], greedy, slide=1)
    expected = [token.id for tokens in engine for token in tokens]
    ours = generate_tokens(textbook, torch.tensor([prompt]), 3 * CONTEXT, temperature=0.0)
    assert ours[0].tolist() == prompt + expected
    assert len(set(expected[-CONTEXT:])) > 2


def test_generate_text_writes_what_the_engine_writes() -> None:
    tokenizer = CharacterTokenizer("abcdefghi")  # with the two special tokens: V
    textbook = lively_model()
    greedy = GenerationSettings(max_new_tokens=12, temperature=0.0)
    engine = Generation(production_model(textbook), [tokenizer.encode("bad")], greedy, tokenizer.eos_token_id, slide=1)
    ids = [token.id for tokens in engine for token in tokens]
    assert generate_text(textbook, tokenizer, "bad", max_length=12, temperature=0.0) == "bad" + tokenizer.decode(ids)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_direct_preference_optimization(smoothing: float) -> None:
    """Loss, gradients, and the weights after steps of AdamW."""
    textbook, reference = textbook_model(), textbook_model(std=0.2)
    production, their_reference = production_model(textbook), production_model(reference)
    pairs = random_pairs(4, V, longest=3)
    batch = pair_batch(pairs, range(4))
    ids, is_answer = (
        torch.from_numpy(np.where(batch < 0, ~batch, batch))[:, :, 1:],
        torch.from_numpy(batch)[:, :, 1:] >= 0,
    )
    (chosen, rejected), (chosen_mask, rejected_mask) = ids.unbind(1), is_answer.unbind(1)
    of_reference = torch.from_numpy(reference_log_probabilities(their_reference, [batch]))
    with torch.no_grad():
        before = (
            answer_log_probability(reference, chosen, chosen_mask),
            answer_log_probability(reference, rejected, rejected_mask),
        )
    assert_same(torch.stack(before, dim=1), of_reference)

    loss = dpo_loss(
        answer_log_probability(textbook, chosen, chosen_mask),
        answer_log_probability(textbook, rejected, rejected_mask),
        *before,
        beta=0.3,
        label_smoothing=smoothing,
    )
    settings = PreferenceSettings(beta=0.3, label_smoothing=smoothing)
    sums = preference_loss_sum(production, torch.from_numpy(batch), of_reference, settings)
    assert_same(loss, sums[0] / 4)
    loss.backward()  # type: ignore[no-untyped-call]
    sums[0].div(4).backward()  # type: ignore[no-untyped-call]
    ours, theirs = in_production_names(gradients(textbook)), gradients(production)
    assert ours.keys() == theirs.keys()
    for name in ours:
        assert_same(ours[name], theirs[name])


def test_training_on_preferences() -> None:
    textbook = textbook_model()
    production = production_model(textbook)
    batch = pair_batch(random_pairs(4, V, longest=3), range(4))
    ids, is_answer = (
        torch.from_numpy(np.where(batch < 0, ~batch, batch))[:, :, 1:],
        torch.from_numpy(batch)[:, :, 1:] >= 0,
    )
    reference = torch.from_numpy(reference_log_probabilities(production, [batch]))
    answers = list(zip(ids.unbind(1), is_answer.unbind(1), strict=True))
    losses = train_on_preferences(textbook, textbook_model(), answers[0], answers[1], num_steps=5)
    settings = TrainingSettings(optimizer="adamw", weight_decay=0.0, learning_rate=1e-3, beta2=0.999)
    optimizer = Optimizer(production, settings)
    for expected in losses:
        optimizer.zero_grad()
        loss = preference_loss_sum(production, torch.from_numpy(batch), reference, settings.preference)[0] / 4
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(1.0, torch.zeros(()))
        assert float(loss.detach()) == pytest.approx(expected, abs=TOLERANCE)
    for name, tensor in in_production_names(textbook.state_dict()).items():
        torch.testing.assert_close(tensor, production.state_dict()[name], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_low_rank_adaptation(dropout: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Logits and gradients, with the same inputs dropped. Where ours fuses two layers, theirs read the same."""
    textbook = textbook_model()
    production = production_model(textbook)
    names = ("output_projection", "0")  # of attention, and the first of the feed-forward network
    add_textbook_lora(textbook.transformer_blocks, names, rank=3, alpha=5.0, dropout=dropout)
    textbook.requires_grad_(False)
    settings = LoraSettings(3, 5.0, dropout, targets=("attention.output", "feed_forward.input"))
    add_lora(production, settings, seed=0)
    theirs = [module for module in textbook.modules() if isinstance(module, LoraLinear)]
    ours = list(lora_layers(production).values())
    assert len(theirs) == len(ours) == 2 * LAYERS
    for plain, layer in zip(theirs, ours, strict=True):
        for matrix, parameter in ((plain.A, layer.lora_a[0]), (plain.B, layer.lora_b[0])):
            nn.init.normal_(matrix.requires_grad_())
            parameter.data.copy_(matrix)

    kept = torch.rand(2, CONTEXT, D, generator=torch.Generator().manual_seed(0)) >= dropout
    with monkeypatch.context() as patched:
        if dropout:
            theirs_drop = lambda x, share=0.0, *others: x * kept / (1 - share) if share else x  # noqa: E731
            patched.setattr("torch.nn.functional.dropout", theirs_drop)
            patched.setattr("groundup.model.dropout.Dropout.draws", lambda self, shape, device: kept)
            patched.setattr("groundup.model.dropout.Dropout.factors", lambda self, draws: draws / (1 - self.share))
        ids, weights = random_ids(2, CONTEXT), torch.randn(2, CONTEXT, V)
        expected, found = textbook.train()(ids), production.train()(ids)
        assert_same(found, expected)
        (expected * weights).sum().backward()
        (found * weights).sum().backward()
    for plain, layer in zip(theirs, ours, strict=True):
        for matrix, parameter in ((plain.A, layer.lora_a[0]), (plain.B, layer.lora_b[0])):
            assert matrix.grad is not None
            torch.testing.assert_close(parameter.grad, matrix.grad, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("num_rows", [1, 3])
def test_continuous_batching_equals_the_engine(num_rows: int) -> None:
    """Texts that come while others are written; some end early, all share few rows."""
    asked = [([3], 7), ([1, 2, 3, 4], 2), ([7, 7], 6), ([2, 9, 4], 1), ([5, 6], 5), ([8], 3)]
    textbook = lively_model()
    batch, engine = ContinuousBatch(textbook, num_rows, eos_token_id=2), Engine(production_model(textbook), num_rows)
    texts, written = [], dict[int, list[int]]()
    for prompt, num_new in asked:
        texts.append(batch.add(prompt, num_new))
        greedy = GenerationSettings(max_new_tokens=num_new, temperature=0.0)
        written[engine.add(Request(prompt, greedy, stop_ids=frozenset({2})))] = list(prompt)
        batch.step()
        for token in engine.step():
            written[token.ticket].append(token.id)
    while batch.running or batch.waiting:
        batch.step()
    while engine.busy:
        for token in engine.step():
            written[token.ticket].append(token.id)
    assert [text.ids for text in texts] == list(written.values())


@pytest.mark.parametrize(("width", "block_size"), [(256, 32), (48, 16), (32, 32)])
def test_eight_bits(width: int, block_size: int) -> None:
    """The same numbers and scales; of 4 bits the library's, which tries several scales, are closer."""
    matrix = torch.randn(5, width, generator=torch.Generator().manual_seed(0))
    found = quantize_matrix(matrix.numpy(), 8)
    numbers, scales = quantize(matrix, block_size)
    assert found.block_size == block_size
    np.testing.assert_array_equal(found.dequantized(), dequantize(numbers, scales).numpy())
    four = quantize_matrix(matrix.numpy(), 4)
    plain = dequantize(*quantize(matrix, four.block_size, bits=4))
    assert np.square(four.dequantized() - matrix.numpy()).sum() < (plain - matrix).square().sum().item()
