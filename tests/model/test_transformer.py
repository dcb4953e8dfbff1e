"""The network against what must hold of it: PyTorch's own layers, the cache, masks, heads, rotations, the start."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.model.rotary import for_both_halves, rotary_table
from groundup.model.settings import PRESETS, Preset, TransformerConfig, preset_config
from groundup.model.transformer import KVCache, Rotation, Transformer

EVERY_PRESET = pytest.mark.parametrize("preset", sorted(PRESETS))
VOCABULARY = 31


def small_config(preset: Preset, **values: object) -> TransformerConfig:
    """Two layers, grouped key/value heads where the preset has them, no dropout."""
    shape: dict[str, object] = {
        "vocab_size": VOCABULARY,
        "d_model": 16,
        "num_layers": 2,
        "num_heads": 4,
        "max_seq_len": 24,
    }
    if preset in ("llama", "qwen3"):
        shape |= {"num_kv_heads": 2, "head_dim": 6}
    if preset == "mistral":
        shape |= {"sliding_window": 4}
    if preset == "qwen2":
        shape |= {"sliding_window": 3, "first_windowed_layer": 1}
    return preset_config(preset, **(shape | {"dropout": 0.0} | values))


def random_model(config: TransformerConfig, seed: int = 0) -> Transformer:
    """Every weight drawn at random, norms and biases too, so that none of them can be forgotten unseen."""
    torch.manual_seed(seed)
    model = Transformer(config)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.normal_(mean=1.0 if name.endswith("norm.weight") else 0.0, std=0.3)
    return model.eval()


def random_ids(*shape: int) -> Tensor:
    return torch.randint(VOCABULARY, shape)


def assert_close(found: Tensor, expected: Tensor) -> None:
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)


# --- against PyTorch's own layers -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("norm_position", "activation"), [("post", "relu"), ("pre", "gelu")])
def test_classic_equals_pytorchs_encoder_layers(norm_position: str, activation: str) -> None:
    config = small_config("classic", norm_position=norm_position, activation=activation)
    model, ids = random_model(config), random_ids(2, 7)
    causal = nn.Transformer.generate_square_subsequent_mask(7)
    state = model.state_dict()
    x = F.embedding(ids, state["token_embedding.weight"]) + state["position_embedding.weight"][:7]
    for number in range(2):
        layer = nn.TransformerEncoderLayer(
            16, 4, config.d_ff, 0.0, activation, config.norm_eps, batch_first=True, norm_first=norm_position == "pre"
        )
        names = {
            "self_attn.in_proj_": "attention.qkv.",
            "self_attn.out_proj.": "attention.output.",
            "linear1.": "feed_forward.input.",
            "linear2.": "feed_forward.output.",
            "norm1.": "attention_norm.",
            "norm2.": "feed_forward_norm.",
        }
        layer.load_state_dict(
            {
                theirs + kind: state[f"blocks.{number}.{ours}{kind}"]
                for theirs, ours in names.items()
                for kind in ("weight", "bias")
            }
        )
        x = layer(x, src_mask=causal, is_causal=True)
    x = F.layer_norm(x, (16,), state["final_norm.weight"], state["final_norm.bias"], config.norm_eps)
    assert_close(model(ids), F.linear(x, state["output_projection.weight"], state["output_projection.bias"]))


# --- the cache --------------------------------------------------------------------------------------------------------


@EVERY_PRESET
@pytest.mark.parametrize("chunks", [[12], [5, 1, 1, 1, 4], [1] * 12, [3, 4, 5]], ids=str)
def test_the_cache_gives_the_same_logits(preset: Preset, chunks: list[int]) -> None:
    model, ids = random_model(small_config(preset)), random_ids(3, 12)
    cache = KVCache(model.config, num_rows=3, max_len=12, device="cpu")
    with torch.no_grad():
        parts = [model(part, cache=cache) for part in ids.split(chunks, dim=1)]  # type: ignore[no-untyped-call]
        assert_close(torch.cat(parts, dim=1), model(ids))
    assert cache.lengths == [12, 12, 12]


@EVERY_PRESET
def test_rows_of_different_lengths_join_leave_and_go_on(preset: Preset) -> None:
    model = random_model(small_config(preset))
    texts = [random_ids(1, length) for length in (9, 12, 7)]
    read = [3, 6, 1]  # how much of each is in the padded prompt
    with torch.no_grad():
        alone = [model(text)[0] for text in texts]
        prompt = torch.zeros(3, 6, dtype=torch.long)
        for row, text in enumerate(texts):
            prompt[row, : read[row]] = text[0, : read[row]]
        cache = KVCache(model.config, num_rows=3, max_len=16, device="cpu")
        logits = model(prompt, cache=cache)
        for row, length in enumerate(read):
            assert_close(logits[row, :length], alone[row][:length])
        cache.lengths = list(read)  # the padding is forgotten
        for width, rows in ((1, [0, 1, 2]), (2, [0, 1, 2]), (1, [2, 0]), (2, [2, 0])):
            if len(rows) < len(cache.lengths):
                cache.keep_rows(rows)
            starts = cache.lengths
            new = torch.cat([texts[row][:, start : start + width] for row, start in zip(rows, starts, strict=True)])
            logits = model(new, cache=cache)
            for place, (row, start) in enumerate(zip(rows, starts, strict=True)):
                assert_close(logits[place], alone[row][start : start + width])
    assert cache.lengths == [7, 9]


def test_a_cache_keeps_equal_rows_in_the_order_asked_for() -> None:
    model, ids = random_model(small_config("qwen3")), random_ids(3, 8)
    cache = KVCache(model.config, num_rows=3, max_len=8, device="cpu")
    with torch.no_grad():
        model(ids[:, :5], cache=cache)
        cache.keep_rows([2, 2, 1])
        assert_close(model(ids[[2, 2, 1], 5:], cache=cache), model(ids[[2, 2, 1]])[:, 5:])


# --- masks ------------------------------------------------------------------------------------------------------------


@EVERY_PRESET
@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_changes_nothing(preset: Preset, side: str) -> None:
    model = random_model(small_config(preset))
    lengths, width = (3, 8, 1), 8
    ids, mask = random_ids(3, width), torch.zeros(3, width, dtype=torch.long)
    for row, length in enumerate(lengths):
        real = slice(width - length, width) if side == "left" else slice(0, length)
        mask[row, real] = 1
    with torch.no_grad():
        logits = model(ids, attention_mask=mask)
        for row in range(3):
            assert_close(logits[row, mask[row] == 1], model(ids[row, mask[row] == 1][None])[0])
    assert logits.isfinite().all()


@EVERY_PRESET
def test_packed_texts_are_read_apart(preset: Preset) -> None:
    model, lengths = random_model(small_config(preset)), (4, 1, 6)
    ids = random_ids(2, sum(lengths))
    segments = torch.tensor([place for place, length in enumerate(lengths) for _ in range(length)])
    segment_ids = torch.stack((segments, segments.flip(0)))  # the second row packs them in the other order
    with torch.no_grad():
        logits = model(ids, segment_ids=segment_ids)
        for row, order in enumerate((lengths, lengths[::-1])):
            apart = [model(part[None])[0] for part in ids[row].split(order)]  # type: ignore[no-untyped-call]
            assert_close(logits[row], torch.cat(apart))


@EVERY_PRESET
@pytest.mark.parametrize(
    ("segments", "mask"),
    [
        ([0, 0, 0, 1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 1, 1, 1, 0, 0]),  # on the right, as a text of its own
        ([0, 0, 1, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, 1, 1, 1, 1, 1]),  # on the left, as a text of its own
        ([1, 1, 1, 1, 1, 2, 2, 2, 2], [0, 0, 1, 1, 1, 1, 1, 1, 1]),  # on the left, within the first text
        ([0, 0, 0, 0, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 1, 1, 1, 1]),  # between: after one, ahead of the next
        ([0, 0, 0, 0, 0, 0, 0, 0, 0], [1, 1, 0, 0, 1, 1, 0, 1, 1]),  # holes in one text
    ],
)
def test_packed_and_padded_at_once(preset: Preset, segments: list[int], mask: list[int]) -> None:
    model = random_model(small_config(preset))
    ids, segment_ids, real = random_ids(1, 9), torch.tensor([segments]), torch.tensor([mask])
    with torch.no_grad():
        logits = model(ids, attention_mask=real, segment_ids=segment_ids)
        for segment in set(segments):
            own = (segment_ids[0] == segment) & (real[0] == 1)
            if own.any():
                assert_close(logits[0, own], model(ids[:, own])[0])


@EVERY_PRESET
def test_no_token_sees_a_later_one(preset: Preset) -> None:
    model, T = random_model(small_config(preset)), 6
    embedded = model.token_embedding(random_ids(1, T)).detach().requires_grad_()
    model.token_embedding.register_forward_hook(lambda *_: embedded)
    logits = model(torch.zeros(1, T, dtype=torch.long))
    influence = torch.stack(
        [torch.autograd.grad(logits[0, t].sum(), embedded, retain_graph=True)[0][0] for t in range(T)]
    )
    seen = influence.abs().sum(dim=-1) > 0  # (T of the logits, T of the embeddings)
    assert torch.equal(seen, torch.ones(T, T).tril().bool())


# --- heads and rotations ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preset", ["llama", "qwen3"])
@pytest.mark.parametrize("num_kv_heads", [1, 2])
def test_shared_heads_equal_repeated_heads(preset: Preset, num_kv_heads: int) -> None:
    shared = random_model(small_config(preset, num_kv_heads=num_kv_heads))
    repeated = random_model(small_config(preset, num_kv_heads=4))
    state = shared.state_dict()
    for name in [name for name in state if name.endswith("attention.qkv.weight")]:
        query, key, value = state[name].split((24, 6 * num_kv_heads, 6 * num_kv_heads))
        parts = [
            part.view(num_kv_heads, 6, 16).repeat_interleave(4 // num_kv_heads, 0).reshape(24, 16)
            for part in (key, value)
        ]
        state[name] = torch.cat((query, *parts))
    repeated.load_state_dict(state)
    ids = random_ids(2, 9)
    assert_close(shared(ids), repeated(ids))


def test_rotated_products_depend_on_distance_alone() -> None:
    rotation = Rotation(*for_both_halves(*rotary_table(small_config("llama", head_dim=8, rope_theta=100.0))))
    query, key = torch.randn(8), torch.randn(8)
    queries, keys = rotation(query.expand(24, 8)), rotation(key.expand(24, 8))  # the same vector at every position
    products = queries @ keys.T
    for distance in range(-23, 24):
        diagonal = products.diagonal(distance)
        torch.testing.assert_close(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-4, rtol=0)
    assert products[0].std() > 0.1  # and they do depend on it
    torch.testing.assert_close(queries.norm(dim=-1), query.norm().expand(24))


def test_each_pair_turns_by_its_own_angle() -> None:
    """Two pairs at theta 100: the first turns by 1 radian a position, the second by 100^(-1/2) = 0.1."""
    cosine, sine = for_both_halves(*rotary_table(small_config("llama", head_dim=4, rope_theta=100.0)))
    first, second = torch.tensor([1.0, 0, 0, 0]).expand(24, 4), torch.tensor([0, 1.0, 0, 0]).expand(24, 4)
    rotation = Rotation(cosine, sine)
    p = torch.arange(24.0)
    none = torch.zeros(24)
    assert_close(rotation(first), torch.stack((p.cos(), none, p.sin(), none), dim=-1))
    assert_close(rotation(second), torch.stack((none, (0.1 * p).cos(), none, (0.1 * p).sin()), dim=-1))


# --- the start of training --------------------------------------------------------------------------------------------


@EVERY_PRESET
@pytest.mark.parametrize("initialization", ["normal", "scaled", "zero"])
def test_starting_weights_have_the_documented_spread(preset: Preset, initialization: str) -> None:
    torch.manual_seed(0)
    config = small_config(
        preset, d_model=96, d_ff=192, head_dim=24, vocab_size=200, init_std=0.05, initialization=initialization
    )
    model = Transformer(config)
    residual = {"normal": 0.05, "scaled": 0.05 / math.sqrt(4), "zero": 0.0}[initialization]
    for name, parameter in model.named_parameters():
        if parameter.ndim == 1:
            assert torch.equal(parameter, torch.full_like(parameter, 1.0 if name.endswith("norm.weight") else 0.0)), (
                name
            )
        else:
            expected = residual if name.endswith((".attention.output.weight", ".feed_forward.output.weight")) else 0.05
            assert parameter.std().item() == pytest.approx(expected, rel=0.05), name
            assert parameter.mean().abs() < 0.005, name


@EVERY_PRESET
def test_an_untrained_model_knows_nothing(preset: Preset) -> None:
    """Its loss is that of guessing: ln V."""
    torch.manual_seed(0)
    model, ids = Transformer(small_config(preset)), random_ids(8, 24)
    loss = F.cross_entropy(model.eval()(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(VOCABULARY), abs=0.05)


def test_blocks_that_start_at_zero_pass_their_input_on() -> None:
    model, ids = Transformer(small_config("qwen3", initialization="zero")), random_ids(2, 5)
    assert_close(model.hidden_states(ids), model.final_norm(model.token_embedding(ids)))


@EVERY_PRESET
def test_activation_checkpointing_gives_the_same_gradients(preset: Preset) -> None:
    model, ids = random_model(small_config(preset, dropout=0.1)).train(), random_ids(2, 9)
    gradients = []
    for checkpointed in (False, True):
        model.activation_checkpointing = checkpointed
        torch.manual_seed(1)  # the same dropout
        loss = F.cross_entropy(model(ids)[:, :-1].flatten(0, 1), ids[:, 1:].flatten())
        gradients.append(torch.autograd.grad(loss, list(model.parameters())))
    torch.testing.assert_close(gradients[0], gradients[1], atol=0, rtol=0)


@EVERY_PRESET
def test_dropout_acts_in_training_only(preset: Preset) -> None:
    model, ids = random_model(small_config(preset, dropout=0.5)), random_ids(1, 6)
    assert torch.equal(model(ids), model(ids))
    model.train()
    assert not torch.equal(model(ids), model(ids))


def test_tied_embeddings_are_one_parameter() -> None:
    tied, untied = Transformer(small_config("qwen3")), Transformer(small_config("qwen3", tie_embeddings=False))
    assert tied.output_projection.weight is tied.token_embedding.weight
    assert untied.output_projection.weight is not untied.token_embedding.weight
