"""What happens inside a model: against its own logits, scores and draws, closed forms, and properties."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
import torch

from groundup.errors import GenerationError, SettingError, TokenizerError
from groundup.generation.sampling import warp_logits
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.language_model.look_inside import (
    Reading,
    attention_weights,
    logit_lens,
    next_token,
    read,
    read_ids,
    surprisals,
)
from groundup.model.settings import Preset, preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer

SHAPES: list[tuple[Preset, dict[str, Any]]] = [
    ("classic", {"bias": "all", "dropout": 0.5}),
    ("classic", {"norm_position": "pre", "position": "rope", "norm": "rmsnorm", "sliding_window": 3}),
    ("gpt2", {}),
    ("qwen3", {"num_kv_heads": 1, "sliding_window": 4, "first_windowed_layer": 1}),
]


def random_model(preset: Preset, **values: Any) -> Transformer:
    shape = {"vocab_size": 23, "d_model": 16, "num_layers": 2, "num_heads": 4, "max_seq_len": 16}
    model = Transformer(preset_config(preset, **(shape | values)))
    generator = torch.Generator().manual_seed(2)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, mean=float(parameter.ndim == 1), std=0.3, generator=generator)
    return model


def some_ids(count: int) -> Sequence[int]:
    ids: list[int] = torch.randint(23, (count,), generator=torch.Generator().manual_seed(3)).tolist()
    return ids


@pytest.fixture
def reading(language_model: LanguageModel) -> Reading:
    return read(language_model, "hear me speak.")


@pytest.mark.parametrize(("preset", "values"), SHAPES)
def test_the_open_pass_ends_where_the_model_does(preset: Preset, values: dict[str, Any]) -> None:
    """Every layout, windows and training mode included: the last stream is the hidden states', before the last norm."""
    model, ids = random_model(preset, **values).train(), some_ids(12)
    reading = read_ids(model.eval(), ids)
    with torch.no_grad():
        torch.testing.assert_close(model.final_norm(reading.stream[-1]), model.hidden_states(torch.tensor([ids]))[0])


@pytest.mark.parametrize(("preset", "values"), SHAPES)
def test_the_weights_are_those_that_the_model_mixes_with(preset: Preset, values: dict[str, Any]) -> None:
    """The values mixed with these weights, and projected, are what the layer's attention gives with its fused kernel."""
    model, ids = random_model(preset, **values).eval(), some_ids(12)
    reading = read_ids(model, ids)
    for layer, block in enumerate(model.blocks):
        weights = attention_weights(reading, layer)  # (H, T, T)
        with torch.no_grad():
            x = reading.stream[layer][None]
            x = x if block.post_norm else block.attention_norm(x)  # type: ignore[operator]
            attention: Any = block.attention
            expected = attention(x, reading.masks[layer], reading.rotation, None, layer, False)[0]
            value = attention.qkv(x).split(attention.qkv_widths, dim=-1)[2].view(len(ids), -1, attention.head_dim)
            value = value.transpose(0, 1).repeat_interleave(attention.num_heads // attention.num_kv_heads, dim=0)
            mixed = (weights @ value).transpose(0, 1).reshape(len(ids), -1)
            torch.testing.assert_close(attention.output(mixed), expected)
        torch.testing.assert_close(weights.sum(dim=-1), torch.ones(weights.shape[:2]))
        assert (weights[:, ~reading.masks[layer]] == 0).all()


@pytest.mark.parametrize("text", ["Speak", "", "hear me speak.\n\nAll:"])
def test_surprisals_add_up_to_the_score(language_model: LanguageModel, text: str) -> None:
    first, *bits = surprisals(read(language_model, text))
    assert first is None
    assert len(bits) == len(text)
    (score,) = language_model.score([text])
    assert -math.log(2) * sum(each for each in bits if each is not None) == pytest.approx(
        score.log_likelihood, rel=1e-5
    )


def test_a_model_that_knows_nothing_is_surprised_by_log2_v_bits() -> None:
    """Closed form: with all logits equal, log2 V bits a token, and each token has one chance in V at every layer."""
    tokenizer = train_character_tokenizer(["añb"], byte_fallback=False)
    V = tokenizer.vocab_size
    model = Transformer(preset_config("gpt2", vocab_size=V, d_model=8, num_heads=2, max_seq_len=8))
    torch.nn.init.zeros_(model.output_projection.weight)
    reading = read(LanguageModel(model, tokenizer), "ñabb")
    assert surprisals(reading)[1:] == pytest.approx([math.log2(V)] * 4, rel=1e-6)
    found = next_token(reading, -1, GenerationSettings(temperature=1.0), count=V)
    assert found.entropy_before == pytest.approx(math.log2(V))
    assert [one.before for one in found.candidates] == pytest.approx([1 / V] * V)
    assert all(guess.next_rank == 1 for guesses in logit_lens(reading, 0, 4) for guess in guesses)


@pytest.mark.parametrize(
    "settings",
    [
        GenerationSettings(temperature=1.0),
        GenerationSettings(temperature=0.5, top_k=5),
        GenerationSettings(temperature=1.7, top_p=0.6),
        GenerationSettings(temperature=1.0, min_p=0.2, repetition_penalty=1.5),
        GenerationSettings(temperature=0.0, repetition_penalty=1.5),
    ],
)
def test_the_next_token_is_the_one_that_generation_draws(reading: Reading, settings: GenerationSettings) -> None:
    """The model's own logits, warped as the engine warps them; temperature 0 leaves the likeliest alone."""
    model, place = reading.model, 4
    with torch.no_grad():
        logits = model(torch.tensor([reading.ids[: place + 1]]))[:, -1]
    seen = torch.zeros_like(logits, dtype=torch.bool)
    seen[0, list(reading.ids[: place + 1])] = True
    warped = warp_logits(logits, settings, seen)[0]
    after = warped.softmax(-1) if settings.temperature else (warped == warped.max()).float()
    before = logits[0].softmax(-1)
    found = next_token(reading, place, settings, count=model.config.vocab_size)
    assert found.num_kept == int((after > 0).sum())
    assert {one.id for one in found.candidates} == set(range(model.config.vocab_size))
    for one in found.candidates:
        assert one.before == pytest.approx(before[one.id].item(), abs=1e-6)
        assert one.after == pytest.approx(after[one.id].item(), abs=1e-6)
    assert sorted(found.candidates, key=lambda one: (-one.after, -one.before)) == found.candidates
    expected = -sum(share * math.log2(share) for share in before.tolist())
    assert found.entropy_before == pytest.approx(expected, abs=1e-4)
    kept = sorted(next_token(reading, place, settings, count=3).candidates, key=lambda one: -max(one.before, one.after))
    likeliest = torch.maximum(before, after).topk(3).values
    assert [max(one.before, one.after) for one in kept] == pytest.approx(likeliest.tolist(), abs=1e-6)


def test_the_last_layer_of_the_lens_is_the_models_answer(reading: Reading) -> None:
    lens = logit_lens(reading, 3, 4, count=5)
    assert len(lens) == reading.model.config.num_layers + 1
    assert {len(guesses) for guesses in lens} == {4}
    with torch.no_grad():
        probabilities = reading.model(torch.tensor([reading.ids]))[0].softmax(-1)  # (T, V)
    for place, guess in enumerate(lens[-1], start=3):
        values, tokens = probabilities[place].topk(5)
        assert [token for token, _ in guess.likeliest] == tokens.tolist()
        assert [share for _, share in guess.likeliest] == pytest.approx(values.tolist(), abs=1e-5)
        follower = reading.ids[place + 1]
        assert guess.next_probability == pytest.approx(probabilities[place, follower].item(), abs=1e-5)
        assert guess.next_rank == 1 + int((probabilities[place] > probabilities[place, follower]).sum())


def test_nothing_follows_the_last_token(reading: Reading) -> None:
    for guesses in logit_lens(reading, -1, num_positions=99):
        assert [(guess.next_rank, guess.next_probability) for guess in guesses] == [(None, None)]


def test_a_reading_of_parts_is_that_of_the_whole(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    """With logits for one row at a time."""
    whole = surprisals(reading), logit_lens(reading, 0, 20)
    monkeypatch.setattr("groundup.language_model.look_inside.LOGITS_AT_ONCE", 1)
    assert surprisals(reading)[1:] == pytest.approx(whole[0][1:], abs=1e-4)
    for guesses, expected in zip(logit_lens(reading, 0, 20), whole[1], strict=True):
        assert [guess.likeliest[0][0] for guess in guesses] == [guess.likeliest[0][0] for guess in expected]


def test_what_cannot_be_looked_at_is_named(language_model: LanguageModel, reading: Reading) -> None:
    with pytest.raises(GenerationError, match=r"the text is 41 tokens long, and 32 can be looked at: shorten it"):
        read(language_model, "Speak, " * 5 + "speak")
    with pytest.raises(GenerationError, match=r"the text is 6 tokens long, and 5 can be looked at"):
        read(language_model, "Speak", max_tokens=5)
    with pytest.raises(GenerationError, match=r"the text is 5, a int: give a text"):
        read(language_model, 5)  # type: ignore[arg-type]
    with pytest.raises(TokenizerError, match=r"U\+D800, half of a surrogate pair"):
        read(language_model, "\ud800")
    with pytest.raises(SettingError, match=r"layer = 2: use a whole number from 0 to 1, a layer of the model"):
        attention_weights(reading, 2)
    for position in (15, -16):
        with pytest.raises(SettingError, match=rf"position = {position}: use a whole number from 0 to 14"):
            next_token(reading, position, GenerationSettings())


def test_an_empty_text_needs_an_end_token(language_model: LanguageModel) -> None:
    tokenizer = train_character_tokenizer(["Speak"], byte_fallback=False)
    tokenizer.end_id = None
    with pytest.raises(GenerationError, match="the text is empty, and the tokenizer has no end token to start from"):
        read(LanguageModel(language_model.model, tokenizer), "")
    assert read(LanguageModel(language_model.model, tokenizer), "S").starts == 0


def test_damaged_weights_are_named() -> None:
    model = random_model("gpt2").eval()
    torch.nn.init.constant_(model.final_norm.bias, 0.0)  # type: ignore[arg-type]
    torch.nn.init.constant_(model.token_embedding.weight, math.nan)
    with pytest.raises(GenerationError, match="the model's numbers are not finite: its weights are damaged"):
        read_ids(model, some_ids(3))
