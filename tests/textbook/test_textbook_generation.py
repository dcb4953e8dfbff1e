"""`generate_text` and its parts. (Equality with the production engine is tested under parity.)"""

from __future__ import annotations

import math
from collections import Counter

import pytest
import torch
from torch import Tensor, nn

from groundup.textbook.generation import context_window, generate_text, generate_tokens, sample_next_token
from groundup.textbook.language_model import SimpleLanguageModel
from groundup.textbook.tokenizers import CharacterTokenizer

TOKENIZER = CharacterTokenizer("abcdefgh")  # end 0, unknown 1, a 2, …, h 9


def random_model(max_seq_len: int = 8) -> SimpleLanguageModel:
    torch.manual_seed(0)
    return SimpleLanguageModel(TOKENIZER.vocab_size, 8, 2, num_layers=1, d_ff=8, max_seq_len=max_seq_len).eval()


def random_letters(max_seq_len: int = 8) -> SimpleLanguageModel:
    """A random model that never writes the end or the unknown token."""
    model = random_model(max_seq_len)
    nn.init.constant_(model.output_projection.bias[:2], -100.0)
    return model


class Endless(CharacterTokenizer):
    """A tokenizer without an end token."""

    eos_token_id = None  # type: ignore[assignment]


class Alphabet(nn.Module):
    """Writes the alphabet: the letter after the one it reads last, the end token after h, and a after the end token.

    It notes the widths of what it is given to read.
    """

    def __init__(self) -> None:
        super().__init__()
        self.widths: list[int] = []

    def forward(self, input_ids: Tensor) -> Tensor:
        self.widths.append(input_ids.shape[1])
        following = torch.tensor([2, 0, 3, 4, 5, 6, 7, 8, 9, 0])
        return 100.0 * nn.functional.one_hot(following[input_ids], 10)  # (B, T, V)


def test_it_returns_the_prompt_and_its_continuation() -> None:
    assert generate_text(Alphabet(), TOKENIZER, "ab", max_length=3) == "abcde"


def test_it_stops_at_the_end_token() -> None:
    model = Alphabet()
    assert generate_text(model, TOKENIZER, "f", max_length=100) == "fgh"
    assert len(model.widths) == 3  # g, h, end


def test_max_length_counts_new_tokens() -> None:
    model = random_letters(max_seq_len=64)
    for prompt in ("a", "abcdefgh" * 4):
        text = generate_text(model, TOKENIZER, prompt, max_length=5)
        assert len(text) == len(prompt) + 5
        assert text.startswith(prompt)
    assert generate_text(model, TOKENIZER, "abc", max_length=0) == "abc"


def test_negative_max_length_is_refused() -> None:
    with pytest.raises(
        ValueError, match="max_length = -1: it counts the new tokens, so use a whole number of at least 0"
    ):
        generate_text(Alphabet(), TOKENIZER, "a", max_length=-1)


def test_the_prompt_is_given_back_as_written_even_where_it_is_unknown() -> None:
    assert generate_text(Alphabet(), TOKENIZER, "?! ab", max_length=2) == "?! abcd"


@pytest.mark.parametrize("prompt", ["abc", "abcdefgh" * 3])
def test_text_past_max_seq_len_is_cropped_to_the_window(prompt: str) -> None:
    model = random_model(max_seq_len=8)
    new = generate_tokens(model, TOKENIZER.encode(prompt, return_tensors="pt"), 20, temperature=0.0)
    assert new.shape == (1, len(prompt) + 20)
    for place in range(len(prompt), new.shape[1]):
        read = new[:, max(0, place - 8) : place]
        assert new[0, place] == model(read)[0, -1].argmax()


def test_empty_prompt_starts_from_the_end_token() -> None:
    assert generate_text(Alphabet(), TOKENIZER, "", max_length=3) == "abc"


def test_empty_prompt_without_an_end_token_is_refused() -> None:
    tokenizer = Endless("abcdefgh")
    with pytest.raises(ValueError, match="The prompt is empty, and the tokenizer has no end token to start from: give"):
        generate_text(Alphabet(), tokenizer, "")
    assert generate_text(Alphabet(), tokenizer, "g", max_length=4) == "gh<|endoftext|>ab"  # and nothing ends it


def test_several_prompts_give_several_texts() -> None:
    assert generate_text(Alphabet(), TOKENIZER, ["ab", "g", ""], max_length=4) == ["abcdef", "gh", "abcd"]


def test_every_row_of_a_batch_is_continued_until_its_own_end() -> None:
    rows = torch.tensor([[2, 3], [2, 8], [9, 0]])  # ab, ag, h and the end
    expected = [[2, 3, 4, 5, 6, 7], [2, 8, 9, 0, 0, 0], [9, 0, 2, 3, 4, 5]]
    assert generate_tokens(Alphabet(), rows, 4, eos_token_id=0).tolist() == expected
    finished = generate_tokens(Alphabet(), torch.tensor([[9], [8]]), 50, eos_token_id=0)
    assert finished.tolist() == [[9, 0, 0], [8, 9, 0]]


def test_rows_are_sampled_apart() -> None:
    torch.manual_seed(0)
    drawn = sample_next_token(torch.zeros(200, 50))
    assert drawn.shape == (200,)
    assert len(set(drawn.tolist())) > 40


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_sampling_follows_the_softmax_at_a_temperature(temperature: float) -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.0, 1.0, -1.0, 2.0])
    powers = [math.exp(logit / temperature) for logit in logits.tolist()]
    drawn = Counter(sample_next_token(logits.expand(20_000, 4), temperature).tolist())
    for token, power in enumerate(powers):
        assert drawn[token] / 20_000 == pytest.approx(power / sum(powers), abs=0.015)  # four standard deviations


@pytest.mark.parametrize("temperature", [0.0, 1e-300])
def test_temperature_zero_takes_the_likeliest_token(temperature: float) -> None:
    logits = torch.tensor([[1.0, 3.0, 2.0], [1e30, 0.0, -1e30]])
    assert all(sample_next_token(logits, temperature).tolist() == [1, 0] for _ in range(20))
    model = random_model()
    assert generate_text(model, TOKENIZER, "a", temperature=temperature) == generate_text(
        model, TOKENIZER, "a", temperature=temperature
    )


@pytest.mark.parametrize("temperature", [1e-7, 1e-4, 1e30])
def test_extreme_temperatures_give_no_nan(temperature: float) -> None:
    drawn = sample_next_token(torch.tensor([[10.0, 30.0, -20.0]]).expand(500, 3), temperature)
    assert set(drawn.tolist()) == ({1} if temperature < 1 else {0, 1, 2})


@pytest.mark.parametrize("temperature", [-0.5, math.nan, math.inf])
def test_a_temperature_that_cannot_be_is_refused(temperature: float) -> None:
    with pytest.raises(
        ValueError, match=rf"temperature = {temperature}: use 0 for the likeliest token always, or a finite"
    ):
        generate_text(random_model(), TOKENIZER, "a", temperature=temperature)


def test_a_seed_repeats_a_draw() -> None:
    model, texts = random_letters(), []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        texts.append(generate_text(model, TOKENIZER, "abc", max_length=30))
    assert texts[0] == texts[1] != texts[2]


def test_bfloat16_model_writes() -> None:
    model = random_model().bfloat16()
    for temperature in (0.0, 1.0):
        assert generate_text(model, TOKENIZER, "abc", max_length=12, temperature=temperature).startswith("abc")


def test_dropout_is_off() -> None:
    model = random_model().train()
    texts = {generate_text(model, TOKENIZER, "abc", max_length=20, temperature=0.0) for _ in range(5)}
    assert len(texts) == 1
    assert not model.training


def test_a_model_that_names_no_window_reads_everything() -> None:
    model = Alphabet()
    assert context_window(model) is None
    generate_tokens(model, torch.full((1, 5000), 2), 1)
    assert model.widths == [5000]
