"""From prompts and what follows them to ids, cut where lm-eval cuts them."""

from __future__ import annotations

from collections.abc import Sequence

from groundup.errors import DataError
from groundup.evaluation.tasks.continuations import Continuation
from groundup.tokens.tokenizer import Tokenizer


def encode_endings(
    tokenizer: Tokenizer, prompt: str, endings: Sequence[str], context_length: int, place: str
) -> list[Continuation]:
    """Each ending after the prompt.

    Both are encoded as one text, and what the prompt alone comes to is taken off its beginning. Spaces at the prompt's end belong to the
    ending, with whose first word they make a token. Of an empty prompt, the ending follows the token that begins a text. Raises
    `DataError` that names the `place` for an ending without a token of its own, or with more than the model's context holds.
    """
    kept = prompt.rstrip()
    spaces = prompt[len(kept) :]
    if not kept:
        found = [_after_begin(tokenizer, tokenizer.encode(spaces + ending, whole=False), place) for ending in endings]
    else:
        context = tokenizer.encode(kept)
        whole = [tokenizer.encode(kept + spaces + ending) for ending in endings]
        found = [Continuation(ids[: len(context)], ids[len(context) :]) for ids in whole]
    for ending, one in zip(endings, found, strict=True):
        if not one.context or not one.ids:
            raise DataError(f"{place}: {ending[:80]!r} has no token of its own after its prompt, so it can't be scored")
        if len(one.ids) > context_length:
            raise DataError(
                f"{place}: {ending[:80]!r}… is {len(one.ids):,} tokens long, and the model's context is {context_length:,}: "
                "leave it out, or use a model that holds more"
            )
    return found


def rolling_windows(ids: Sequence[int], begin: int, context_length: int) -> list[Continuation]:
    """A text's ids cut so that each is predicted once: windows as long as the model's context, side by side; the last begins earlier, so
    that it is as long as the others. The first is predicted from `begin`.
    """
    ids = [begin, *ids]
    windows, first = [], 1
    while first < len(ids):
        end = min(len(ids), first + context_length)  # ids before it are predicted
        start = max(0, end - 1 - context_length)
        windows.append(Continuation(ids[start:first], ids[first:end]))
        first = end
    return windows


def begin_of_text(tokenizer: Tokenizer, place: str) -> int:
    """What a text's first token is predicted from. Raises `DataError` that names the `place` if the tokenizer has no such token."""
    if tokenizer.begin_id is None:
        raise DataError(
            f"{place}: a text's first token is to be scored, and the tokenizer has none that begins or ends a text: give a prompt"
        )
    return tokenizer.begin_id


def _after_begin(tokenizer: Tokenizer, ids: list[int], place: str) -> Continuation:
    begin = begin_of_text(tokenizer, place)
    return Continuation(ids[:1], ids[1:]) if ids[:1] == [begin] else Continuation([begin], ids)
