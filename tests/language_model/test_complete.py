"""Completion at a cursor: the prompt, the token taken back, the ends, and the place in a file."""

from __future__ import annotations

from typing import Any

import pytest
import tokenizers
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import decoders, models, pre_tokenizers

from groundup.errors import DataError, GenerationError, SettingError
from groundup.generation.generation import Generation
from groundup.generation.settings import GenerationSettings
from groundup.language_model import LanguageModel
from groundup.language_model.complete import agreeing_tokens, at_cursor, make_prompt, token_texts
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.fill_in_the_middle import SPECIAL_TOKENS, FillInTheMiddle, train_with_middle
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer
from groundup.tokens.train import train_tokenizer

CODE = "def area(self):\n    if self.width:\n        return self.width * self.height\n    return 0\n\n" * 3
SETTINGS = TokenizerSettings(kind="bpe", vocab_size=300, pre_tokenizer="llama-bpe")
CONTEXT = 48


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_with_middle([CODE], SETTINGS)


@pytest.fixture(scope="module")
def language_model(tokenizer: Tokenizer) -> LanguageModel:
    return random_model(tokenizer)


def random_model(tokenizer: Tokenizer) -> LanguageModel:
    """Every weight random, so that texts vary."""
    shape = {"vocab_size": tokenizer.vocab_size, "d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": CONTEXT}
    model = Transformer(preset_config("qwen3", **shape))
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.4, generator=generator)
    halves = [token for token, text in enumerate(token_texts(tokenizer, tokenizer.vocab_size)) if "\ufffd" in text]
    with torch.no_grad():
        model.token_embedding.weight[halves] = 0.0  # never the likeliest
    return LanguageModel(model.eval(), tokenizer)


def special_ids(tokenizer: Tokenizer) -> list[int]:
    return [token for name in SPECIAL_TOKENS if (token := tokenizer.token_id(name)) is not None]


def plainly(language_model: LanguageModel, prefix: str, suffix: str, first: bool, max_new_tokens: int) -> str:
    """The likeliest completion without a cache: the whole text is read for each token, and each token is tried in turn."""
    model, tokenizer = language_model.model, language_model.tokenizer
    prompt = make_prompt(tokenizer, prefix, suffix, CONTEXT, max_new_tokens, first)
    ids, written = list(prompt.ids), ""
    ends = {tokenizer.end_id, *special_ids(tokenizer)}
    for _ in range(min(max_new_tokens + (prompt.begun != ""), CONTEXT - len(ids))):
        with torch.inference_mode():
            scores = model(torch.tensor([ids]))[0, -1].tolist()
        by_score = sorted(range(len(scores)), key=lambda token: -scores[token])
        if len(written) < len(prompt.begun):
            rest = prompt.begun[len(written) :]
            texts = {token: tokenizer.decode([token]) for token in by_score}
            natural = tokenizer.encode(rest + "x")[0]  # "x" stands for any word
            by_score = [
                token
                for token in by_score
                if texts[token].startswith(rest) or (token == natural and rest.startswith(texts[token]))
            ]
        if by_score[0] in ends:
            break
        ids.append(by_score[0])
        written = tokenizer.decode(ids[len(prompt.ids) :])
    return written[len(prompt.begun) :]


@pytest.mark.parametrize(("suffix", "first"), [("", False), ("\n    return 0\n", False), ("\n    return 0\n", True)])
@pytest.mark.parametrize("prefix", ["def area(self):\n    ret", "    if self.wid", "def", "x = 1\n        "])
def test_it_writes_what_the_plain_way_writes(
    language_model: LanguageModel, prefix: str, suffix: str, first: bool
) -> None:
    written = language_model.complete(prefix, suffix, prefix_first=first, max_new_tokens=12)
    assert written == plainly(language_model, prefix, suffix, first, 12)


def test_prefix_and_suffix_stand_in_the_order_that_was_trained(tokenizer: Tokenizer) -> None:
    before, after, middle = special_ids(tokenizer)[0], special_ids(tokenizer)[2], special_ids(tokenizer)[1]
    prompt = make_prompt(tokenizer, "def f", "return", CONTEXT, 8, prefix_first=True)
    assert prompt.ids == [before, *tokenizer.encode("def f"), after, *tokenizer.encode("return"), middle]
    assert prompt.begun == ""
    prompt = make_prompt(tokenizer, "def f", "return", CONTEXT, 8)
    assert prompt.ids == [before, after, *tokenizer.encode("return"), middle, *tokenizer.encode("def f")[:-1]]
    assert prompt.begun == "f"
    assert make_prompt(tokenizer, "", "return", CONTEXT, 8).begun == ""


def test_both_orders_are_those_of_training(tokenizer: Tokenizer) -> None:
    for number in range(40):
        text = CODE[number : 50 + number]
        turns = [FillInTheMiddle(tokenizer, 1.0, rate, 256).turned(text).tolist() for rate in (0.0, 1.0)]
        ids = turns[0]
        parts = [ids.index(token) for token in special_ids(tokenizer)]  # of prefix, middle, suffix
        prefix, suffix = tokenizer.decode(ids[1 : parts[2]]), tokenizer.decode(ids[parts[2] : parts[1]])
        if suffix:
            first = make_prompt(tokenizer, prefix, suffix, 256, 8, prefix_first=True).ids
            assert turns[0][: len(first)] == first
            read = make_prompt(tokenizer, prefix, suffix, 256, 8).ids
            middle = read.index(special_ids(tokenizer)[1]) + 1
            assert turns[1][:middle] == read[:middle]
            assert prefix.startswith(tokenizer.decode(read[middle:]))


def test_of_long_texts_what_is_near_the_cursor_is_read(tokenizer: Tokenizer) -> None:
    room = CONTEXT - 8 - 3  # for what is written, and for three special tokens
    before, after = tokenizer.encode(CODE), tokenizer.encode(CODE)
    ids = make_prompt(tokenizer, CODE, CODE, CONTEXT, 8, prefix_first=True).ids
    assert ids[1 : room - room // 4 + 1] == before[-(room - room // 4) :]
    assert ids[-1 - room // 4 : -1] == after[: room // 4]
    short = make_prompt(
        tokenizer, "x", CODE, CONTEXT, 8, prefix_first=True
    ).ids  # what one needs less of, the other has more of
    assert short[3:-1] == after[: room - 1]
    assert len(make_prompt(tokenizer, CODE, "", CONTEXT, 8).ids) == CONTEXT - 8 - 1  # a token was taken back


def test_the_last_token_is_taken_back(tokenizer: Tokenizer) -> None:
    assert len(tokenizer.encode("    return")) == 2
    prompt = make_prompt(tokenizer, "def f():\n    ret", "", CONTEXT, 8)
    assert tokenizer.decode(prompt.ids) + prompt.begun == "def f():\n    ret"
    assert prompt.begun
    texts = token_texts(tokenizer, tokenizer.vocab_size)
    agreeing = agreeing_tokens(tokenizer, texts, " ret").nonzero().flatten().tolist()
    assert {texts[token] for token in agreeing} == {text for text in texts if text.startswith(" ret")} | {" re"}
    eight = agreeing_tokens(tokenizer, texts, " " * 8).nonzero().flatten().tolist()
    assert {texts[token] for token in eight} == {" " * 7}  # as before any word; no token has more


def test_what_is_written_goes_on_from_what_stands_there(language_model: LanguageModel) -> None:
    tokenizer = language_model.tokenizer
    prompt = make_prompt(tokenizer, "    ret", "", CONTEXT, 8)
    settings = GenerationSettings(max_new_tokens=9, temperature=0)
    unbound = [token.id for [token] in Generation(language_model.model, [prompt.ids], settings)]
    assert not tokenizer.decode(unbound).startswith(prompt.begun)  # left to itself the model would write something else
    assert language_model.complete("    ret", max_new_tokens=8)


def test_a_character_that_is_half_a_token_is_not_taken_back(tokenizer: Tokenizer) -> None:
    prompt = make_prompt(tokenizer, "x = 'é", "", CONTEXT, 8)
    assert prompt.ids == tokenizer.encode("x = 'é")
    assert prompt.begun == ""


def test_where_a_token_depends_on_what_stands_before_none_is_taken_back() -> None:
    pieces = {piece: number for number, piece in enumerate(["\u2581", "a", "b", "\u2581a", "\u2581b", "\u2581ab"])}
    library = tokenizers.Tokenizer(models.BPE(pieces, [("\u2581", "a"), ("\u2581", "b"), ("\u2581a", "b")]))
    library.pre_tokenizer, library.decoder = pre_tokenizers.Metaspace(), decoders.Metaspace()
    as_in_sentencepiece = Tokenizer(library.to_str().encode(), {}, {})
    for text in ("ab ab", "a ba"):  # a word, and a piece within one
        assert make_prompt(as_in_sentencepiece, text, "", CONTEXT, 8).ids == as_in_sentencepiece.encode(text)


def test_it_ends_at_a_special_token() -> None:
    tokenizer = train_tokenizer([CODE], TokenizerSettings(kind="character")).with_special_tokens(SPECIAL_TOKENS)
    language_model = random_model(tokenizer)
    fields: dict[str, Any] = {"max_new_tokens": 30, "temperature": 3.0}
    met = 0
    for seed in range(8):
        settings = GenerationSettings(**fields, seed=seed)
        prompt = make_prompt(tokenizer, "def ", "return", CONTEXT, 30, prefix_first=True).ids
        ids = [token.id for [token] in Generation(language_model.model, [prompt], settings, tokenizer.end_id)]
        end = next(
            (place for place, token in enumerate(ids) if token in [tokenizer.end_id, *special_ids(tokenizer)]), 30
        )
        met += end < len(ids) - 1
        written = language_model.complete("def ", "return", prefix_first=True, seed=seed, **fields)
        assert written == tokenizer.decode(ids[:end])
    assert met > 2  # otherwise nothing was tested


def test_of_a_line_only_its_rest(language_model: LanguageModel) -> None:
    fields: dict[str, Any] = {"max_new_tokens": 30, "temperature": 2.0}
    written = [language_model.complete("def", seed=seed, **fields) for seed in range(10)]
    lines = [language_model.complete("def", line=True, seed=seed, **fields) for seed in range(10)]
    assert any("\n" in text for text in written)
    assert lines == [text.split("\n")[0] for text in written]


def test_text_never_becomes_a_special_token(tokenizer: Tokenizer) -> None:
    ids = make_prompt(tokenizer, "a<|fim_suffix|>b<|endoftext|>", "<|fim_middle|>", 256, 8).ids
    order = [tokenizer.token_id(token) for token in ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>")]
    assert [token for token in ids if token in special_ids(tokenizer)] == order
    assert tokenizer.end_id not in ids


def test_without_the_tokens_a_suffix_is_refused() -> None:
    model = random_model(train_tokenizer([CODE], SETTINGS))
    with pytest.raises(GenerationError, match="can't tell what stands after the cursor: leave out the suffix"):
        model.complete("def ", "return")
    assert isinstance(model.complete("def "), str)


def test_nothing_before_the_cursor_starts_a_text(language_model: LanguageModel) -> None:
    fields: dict[str, Any] = {"max_new_tokens": 12, "temperature": 0.0}
    assert language_model.complete("", **fields) == language_model.generate("", **fields)
    endless = Tokenizer(language_model.tokenizer._json, {}, {})
    with pytest.raises(GenerationError, match="no text before the cursor"):
        make_prompt(endless, "", "", CONTEXT, 8)


def test_a_completion_is_one_text(language_model: LanguageModel) -> None:
    with pytest.raises(SettingError, match="a completion is one text"):
        language_model.complete("def", num_samples=2)


@given(st.text("ab\n", max_size=20), st.text("ab\n", max_size=20))
def test_a_cursor_is_where_it_is_in_an_editor(before: str, after: str) -> None:
    line, column = before.count("\n") + 1, len(before.split("\n")[-1]) + 1
    assert at_cursor(before + after, line, column) == (before, after)
    to_end = after.split("\n")[0]
    assert at_cursor(before + after, line) == (before + to_end, after[len(to_end) :])


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((3, 1), "line 3: the file has 2 lines, so name one from 1 to 2"),
        ((0, 1), "line 0: the file has 2 lines"),
        ((1, 5), "column 5: line 1 has 3 characters, so name a column from 1 to 4"),
        ((1, 0), "column 0: line 1 has 3 characters"),
    ],
)
def test_a_place_that_is_not_there(place: tuple[int, int], message: str) -> None:
    with pytest.raises(DataError, match=message):
        at_cursor("abc\nd", *place)
