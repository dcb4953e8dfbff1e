"""Text at a cursor: what the model is shown, and how it goes on from the middle of a word.

With text after the cursor, the model reads one of the two orders that it learned (`groundup.tokens.fill_in_the_middle`), and writes on:

    suffix first    <|fim_prefix|> <|fim_suffix|> after <|fim_middle|> before
    prefix first    <|fim_prefix|> before <|fim_suffix|> after <|fim_middle|>

Where it goes on from the text before (not prefix first), that text's last token is taken back: after `    ret` the model hardly saw a
token begin, since in its training text ` return` was one. So it chooses anew from that token on, among tokens that agree with what
stands there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from groundup.errors import DataError, GenerationError
from groundup.generation.forward import Forward, last_logits
from groundup.generation.generation import Generation
from groundup.generation.sampling import DROPPED
from groundup.generation.settings import GenerationSettings
from groundup.language_model.text_stream import IncrementalDecoder, StopFilter
from groundup.model.transformer import KVCache, Transformer
from groundup.tokens.fill_in_the_middle import MIDDLE, PREFIX, SPECIAL_TOKENS, SUFFIX
from groundup.tokens.tokenizer import Tokenizer

MOST_RESERVED = 1 / 4  # of the context, for what is to be written
COMPLETION_DEFAULTS = {"max_new_tokens": 64, "temperature": 0.0}
SUFFIX_SHARE = 1 / 4  # of the rest, for what stands after the cursor; more if what stands before needs less


@dataclass(frozen=True)
class Prompt:
    """What the model reads, and what it is to write again."""

    ids: list[int]
    begun: str
    """The text of the last token before the cursor, which was taken back: what is written begins with it."""


def fills_in_the_middle(tokenizer: Tokenizer) -> bool:
    """Whether it has the tokens that tell what stands before a cursor and what after."""
    return all(tokenizer.token_id(token) is not None for token in SPECIAL_TOKENS)


def make_prompt(
    tokenizer: Tokenizer, prefix: str, suffix: str, max_seq_len: int, max_new_tokens: int, prefix_first: bool = False
) -> Prompt:
    """The prompt for what stands before and after a cursor: as much of what is near it as the context of `max_seq_len` has room for.

    Raises `GenerationError` for a suffix where the tokenizer lacks `SPECIAL_TOKENS`, and where there is no text at all.
    """
    room = max(1, max_seq_len - min(max_new_tokens, int(max_seq_len * MOST_RESERVED)))
    before = tokenizer.encode(prefix, whole=not suffix)
    if not suffix:
        if not before and tokenizer.end_id is None:
            raise GenerationError(
                "there is no text before the cursor, and the tokenizer has no end token to start from"
            )
        return _take_back(tokenizer, before[-room:])
    if not fills_in_the_middle(tokenizer):
        raise GenerationError(
            f"the model's tokenizer has no {', '.join(SPECIAL_TOKENS)}, so it can't tell what stands after the cursor: leave out the "
            "suffix, or train with data.fim_rate = 0.5"
        )
    room = max(1, room - len(SPECIAL_TOKENS))
    after = tokenizer.encode(suffix, whole=False)
    after = after[: max(int(room * SUFFIX_SHARE), room - len(before))]
    before = before[max(0, len(before) - (room - len(after))) :]
    prefix_id, suffix_id, middle_id = (tokenizer.token_id(token) or 0 for token in (PREFIX, SUFFIX, MIDDLE))
    if prefix_first:  # in training, too, the three parts were encoded each by itself
        return Prompt([prefix_id, *before, suffix_id, *after, middle_id], "")
    return _take_back(tokenizer, [prefix_id, suffix_id, *after, middle_id, *before])


def _take_back(tokenizer: Tokenizer, ids: list[int]) -> Prompt:
    """Without the last token, unless there is no other, or it isn't ASCII, or by itself it is another text or token than here."""
    if len(ids) < 2:
        return Prompt(ids, "")
    begun = tokenizer.decode(ids[-1:])
    others = tokenizer.decode(ids[:-1])
    if not begun or not begun.isascii() or tokenizer.decode(ids) != others + begun:
        return Prompt(ids, "")
    if tokenizer.encode(begun, whole=False) != ids[-1:]:  # SentencePiece sees the beginning of a word in it
        return Prompt(ids, "")
    return Prompt(ids[:-1], begun)


def agreeing_tokens(tokenizer: Tokenizer, texts: Sequence[str], begun: str) -> Tensor:
    """(V,) which tokens, of these texts (V,), the text that begins with `begun` may begin with.

    Those that begin with it, and the one that the tokenizer itself begins with when a word follows: of an indentation's four spaces three
    are a token, and the last goes with the word.
    """
    agreeing = torch.tensor([text.startswith(begun) for text in texts])
    first = tokenizer.encode(begun + "x", whole=False)[0]
    if texts[first] and begun.startswith(texts[first]):
        agreeing[first] = True
    return agreeing


def token_texts(tokenizer: Tokenizer, vocab_size: int) -> list[str]:
    """(V,) the text of each id; empty for special tokens, and for ids that have none."""
    return [tokenizer.decode([token]) for token in range(vocab_size)]


class _Agreeing:
    """The network's pass, whose logits are dropped for tokens that disagree with the text that is to be written again."""

    def __init__(self, model: Transformer, tokenizer: Tokenizer, begun: str, forward: Forward | None) -> None:
        self.rest, self._forward, self._tokenizer = begun, forward or last_logits(model), tokenizer
        self.own_threads = getattr(forward, "own_threads", False)
        self._texts = token_texts(tokenizer, model.config.vocab_size) if begun else []

    def __call__(self, ids: Tensor, cache: KVCache) -> Tensor:
        logits = self._forward(ids, cache)  # (1, V)
        if not self.rest:
            return logits
        agreeing = agreeing_tokens(self._tokenizer, self._texts, self.rest)
        return logits.masked_fill(~agreeing.to(logits.device), DROPPED)

    def wrote(self, token: int) -> None:
        """Take what was written off what is to be written."""
        if self.rest:
            self.rest = self.rest[len(self._texts[token]) :]


def complete(
    model: Transformer,
    tokenizer: Tokenizer,
    prefix: str,
    suffix: str,
    settings: GenerationSettings,
    prefix_first: bool = False,
    forward: Forward | None = None,
) -> str:
    """What belongs at the cursor between prefix and suffix; `forward` replaces the network's own pass.

    It ends at an end token, at one of `SPECIAL_TOKENS`, before a stop text, or at the context's end.
    """
    limit = model.config.max_seq_len
    prompt = make_prompt(tokenizer, prefix, suffix, limit, settings.max_new_tokens, prefix_first)
    room = max(1, limit - len(prompt.ids))
    settings = replace(settings, max_new_tokens=min(settings.max_new_tokens + bool(prompt.begun), room))
    agreeing = _Agreeing(model, tokenizer, prompt.begun, forward)
    generation = Generation(model, [prompt.ids], settings, tokenizer.end_id, forward=agreeing)
    ends = {*tokenizer.end_ids, *(tokenizer.token_id(token) for token in SPECIAL_TOKENS)}
    decoder, stop = IncrementalDecoder(tokenizer.decode, prompt.ids), StopFilter(settings.stop)
    again, text = len(prompt.begun), ""
    for [token] in generation:
        if token.id in ends:
            break
        agreeing.wrote(token.id)
        new = decoder.add(token.id)
        text += stop.add(new[again:])
        again = max(0, again - len(new))
        if stop.stopped:
            return text
    return text + stop.add(decoder.finish()[again:]) + stop.finish()


def at_cursor(text: str, line: int, column: int | None = None) -> tuple[str, str]:
    """A text before and after a cursor. Line and column count from 1, as editors show them; without a column, the line's end.

    >>> at_cursor("a = 1\\nb = a", 2, 5)
    ('a = 1\\nb = ', 'a')

    Raises `DataError` for a place that the text doesn't have.
    """
    lines = text.split("\n")
    if not 1 <= line <= len(lines):
        raise DataError(f"line {line:,}: the file has {len(lines):,} lines, so name one from 1 to {len(lines):,}")
    length = len(lines[line - 1])
    column = length + 1 if column is None else column
    if not 1 <= column <= length + 1:
        raise DataError(
            f"column {column:,}: line {line:,} has {length:,} characters, so name a column from 1 to {length + 1:,}"
        )
    place = sum(len(before) + 1 for before in lines[: line - 1]) + column - 1
    return text[:place], text[place:]
