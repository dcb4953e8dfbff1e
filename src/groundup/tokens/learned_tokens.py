"""Which tokens of a row are learned: of a conversation what the assistant writes, its end of turn included.

A row becomes ids, in which `~id` (a negative number) stands for a token that is read and carries no loss; the first always does,
since nothing stands before it. The text is the template's for the whole conversation, and an answer begins where the text that asks
for it (`add_generation_prompt`) ends: the model learns to go on from just what it will read. The answer ends behind the special
token that the template writes after it; what follows, up to the next answer, is read only.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from groundup.errors import DataError, TokenizerError
from groundup.text.conversations import Message, conversation_of, kind_of_row, preference_of
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.conversation import Spelled
from groundup.tokens.tokenizer import Tokenizer

MASKED_LABEL = -100  # in rows that others made


@dataclass(frozen=True)
class MarkedRow:
    """A row of training."""

    ids: list[int]
    """Its tokens; `~id` is one without loss. None if it was dropped."""
    learned: int = 0
    """How many carry loss."""
    stop_learned: bool = False
    """Whether the last of these ends a text or a turn."""
    cropped: int = 0
    """How many tokens of later exchanges were left out, for want of room."""
    dropped: str = ""
    """Why there is none, if so."""
    text_bytes: int = 0
    """UTF-8 bytes of what the learned tokens say."""


@dataclass(frozen=True)
class _Answer:
    """An answer within a conversation's text: places of characters."""

    begin: int
    says: int
    """Where what it says ends, before the token that ends the turn."""
    end: int

    @property
    def stops(self) -> bool:
        return self.end > self.says


def mark_row(
    row: Mapping[str, Any], place: str, tokenizer: Tokenizer, template: ChatTemplate, limit: int
) -> list[MarkedRow]:
    """A row of a text, of ids or of a conversation, as one of training; a text longer than `limit` ids as several.

    Of a conversation that is too long, exchanges are left out from the end, and it is dropped if its first answer doesn't fit: no
    answer is ever cut. Raises `DataError` for a row that is none, `TokenizerError` for a template that it can't be written with.
    """
    kind = kind_of_row(row, place)
    if kind == "text":
        return _mark_text(row, place, tokenizer, limit)
    if kind == "input_ids":
        return _mark_ids(row, place, tokenizer, limit)
    messages = conversation_of(row, place)
    try:
        return [mark_conversation(messages, tokenizer, template, limit)]
    except TokenizerError as error:
        raise TokenizerError(f"{place}: {error}") from error


def mark_pair(
    row: Mapping[str, Any], place: str, tokenizer: Tokenizer, template: ChatTemplate, limit: int
) -> tuple[MarkedRow, MarkedRow]:
    """A preference's two conversations, of which the last answers are learned: the chosen one, and the rejected one.

    Both are dropped if one is longer than `limit` ids, or if they are the same. Raises as `mark_row` does.
    """
    pair = preference_of(row, place)
    answers = ({"role": "assistant", "content": content} for content in (pair.chosen, pair.rejected))
    try:
        marked = [_mark((*pair.prompt, answer), tokenizer, template, last_only=True) for answer in answers]
    except TokenizerError as error:
        raise TokenizerError(f"{place}: {error}") from error
    (chosen, ends), (rejected, other_ends) = marked
    if chosen.ids == rejected.ids:
        dropped = MarkedRow([], dropped="chosen and rejected are the same, so neither is better")
    elif max(*ends, *other_ends) > limit:
        dropped = MarkedRow([], dropped=f"the question with its longer answer takes more than {limit:,} tokens")
    else:
        return replace(chosen, ids=chosen.ids[:limit]), replace(rejected, ids=rejected.ids[:limit])
    return dropped, dropped


def mark_conversation(
    messages: Sequence[Message], tokenizer: Tokenizer, template: ChatTemplate, limit: int
) -> MarkedRow:
    """A conversation, system message or none, then user and assistant by turns, as marked ids, at most `limit`."""
    marked, ends = _mark(messages, tokenizer, template)
    if ends[-1] <= limit:  # there may be no room for what stands behind the answer, and teaches nothing
        return replace(marked, ids=marked.ids[:limit])
    system = messages[0]["role"] == "system"
    for kept in range(sum(end <= limit for end in ends), 0, -1):
        fewer, ends = _mark(messages[: system + 2 * kept], tokenizer, template)
        if ends[-1] <= limit:
            return replace(fewer, ids=fewer.ids[:limit], cropped=len(marked.ids) - len(fewer.ids))
    return MarkedRow([], dropped=f"the first question and its whole answer take more than {limit:,} tokens")


def _mark(
    messages: Sequence[Message], tokenizer: Tokenizer, template: ChatTemplate, last_only: bool = False
) -> tuple[MarkedRow, list[int]]:
    """A whole conversation, and at how many ids each of its answers ends."""
    spelled = Spelled(tokenizer, messages)
    text = template.render(spelled.messages)
    places = [number for number, message in enumerate(messages) if message["role"] == "assistant"]
    answers = [_find_answer(spelled, template, text, number) for number in (places[-1:] if last_only else places)]
    ids, cuts = encode_in_parts(
        spelled.encode, text, [place for answer in answers for place in (answer.begin, answer.end)]
    )
    learned: set[int] = set()
    for begin, end in zip(cuts[::2], cuts[1::2], strict=True):
        learned.update(range(max(begin, 1), end))
    marked = [number if place in learned else ~number for place, number in enumerate(ids)]
    said = sum(len(spelled.reveal(text[answer.begin : answer.says]).encode()) for answer in answers)
    return MarkedRow(marked, len(learned), answers[-1].stops, text_bytes=said), cuts[1::2]


def _find_answer(spelled: Spelled, template: ChatTemplate, text: str, number: int) -> _Answer:
    """Where the answer `messages[number]` stands in the conversation's `text`."""
    messages = spelled.messages
    before = template.render(messages[:number], add_generation_prompt=True)
    alone = text if number == len(messages) - 1 else template.render(messages[: number + 1])
    if not text.startswith(before):
        same = next(place for place in range(len(before)) if text[place : place + 1] != before[place])
        raise TokenizerError(
            f"the chat template writes {before[same : same + 40]!r} ahead of an answer, but {text[same : same + 40]!r} there once the "
            "conversation goes on, so the model would learn from what it never reads: use another, with data.template"
        )
    begin, content = len(before), messages[number]["content"].strip()
    stop = spelled.special.search(alone, _behind(alone, content, begin))
    if stop is None:  # nothing but text ends it, up to where the next turn begins
        says = end = len(alone) if text.startswith(alone) else _behind(text, content, begin)
    else:
        here = spelled.special.search(text, _behind(text, content, begin))
        if here is not None and here[0] == stop[0]:
            says, end = here.span()
        else:  # it is written behind the last answer only
            says = end = _behind(text, content, begin)
    if "".join(content.split()) not in "".join(text[begin:says].split()):
        raise TokenizerError(
            f"the chat template leaves out or changes a part of the answer {spelled.reveal(content)[:60]!r} (it writes "
            f"{spelled.reveal(text[begin:says])[:60]!r}): use another, with data.template, or change the answer"
        )
    return _Answer(begin, says, end)


def _behind(text: str, content: str, begin: int) -> int:
    """Where `content` ends in a text, from `begin` on; `begin` itself if the template has changed it."""
    found = text.find(content, begin)
    return begin if found < 0 else found + len(content)


def encode_in_parts(encode: Callable[[str], list[int]], text: str, cuts: Sequence[int]) -> tuple[list[int], list[int]]:
    """The ids of a text, and at how many of them each of `cuts` (characters, rising) stands.

    They are those of the whole text where a token ends at a cut. Where one would go over it, the parts are encoded each by
    itself, as they are when one is read and the other written.
    """
    borders = [0, *cuts, len(text)]
    parts = [encode(text[begin:end]) for begin, end in itertools.pairwise(borders)]
    rest = encode(text)
    if list(itertools.chain(*parts)) == rest:
        return rest, list(itertools.accumulate(map(len, parts[:-1])))
    done: list[int] = []
    places, begin = [], 0
    for cut in cuts:
        before = encode(text[begin:cut])
        if rest[: len(before)] != before:
            done += before
            rest, begin = encode(text[cut:]), cut
            before = []
        places.append(len(done) + len(before))
    return done + rest, places


def _mark_text(row: Mapping[str, Any], place: str, tokenizer: Tokenizer, limit: int) -> list[MarkedRow]:
    text = row["text"]
    if not isinstance(text, str):
        raise DataError(f"{place}: 'text' is {str(text)[:60]!r}, which is no text: write one, or leave the row out")
    if not text.strip():
        return [MarkedRow([], dropped="the text is empty")]
    end = [] if tokenizer.end_id is None else [tokenizer.end_id]
    try:
        ids = [*end, *tokenizer.encode(text, whole=False), *end]
    except TokenizerError as error:
        raise DataError(f"{place}: {error}") from error
    return _split(ids, len(text.encode()), bool(end), limit)


def _split(ids: list[int], text_bytes: int, stops: bool, limit: int) -> list[MarkedRow]:
    """Ids that are all learned, as rows of at most `limit`. A later one begins with the token before it; bytes are shared out by tokens."""
    if len(ids) < 2:
        return [MarkedRow([], dropped="the text is a single token, so nothing of it can be predicted")]
    rows, targets, each = [], len(ids) - 1, limit - 1
    for begin in range(0, targets, each):
        end = min(begin + each, targets)
        said = text_bytes * end // targets - text_bytes * begin // targets
        marked = [~ids[begin], *ids[begin + 1 : end + 1]]
        rows.append(MarkedRow(marked, end - begin, stops and end == targets, text_bytes=said))
    return rows


def _mark_ids(row: Mapping[str, Any], place: str, tokenizer: Tokenizer, limit: int) -> list[MarkedRow]:
    """Ids that somebody else made, with labels that mask some of them, or without."""
    ids, labels = _integers(row, "input_ids", place), row.get("labels")
    for place_of, number in enumerate(ids):
        if not 0 <= number < tokenizer.vocab_size:
            raise DataError(
                f"{place}: input_ids[{place_of}] is {number}, but the tokenizer's ids go from 0 to {tokenizer.vocab_size - 1}: "
                "make them with this tokenizer, or give texts"
            )
    if len(ids) < 2:
        return [MarkedRow([], dropped="it has fewer than two ids, so nothing of it can be predicted")]
    mask = [] if row.get("attention_mask") is None else _integers(row, "attention_mask", place)
    if 0 in mask:
        raise DataError(
            f"{place}: 'attention_mask' has zeros, so there is padding among 'input_ids': give them without it"
        )
    stops = set(tokenizer.special_tokens().values())
    if labels is None:
        return _split(ids, len(tokenizer.decode(ids).encode()), bool(ids) and ids[-1] in stops, limit)
    labels = _integers(row, "labels", place)
    if len(labels) != len(ids):
        raise DataError(f"{place}: there are {len(labels)} 'labels' for {len(ids)} 'input_ids': give one for each")
    for place_of, (number, label) in enumerate(zip(ids, labels, strict=True)):
        if label not in (number, MASKED_LABEL):
            raise DataError(
                f"{place}: labels[{place_of}] is {label}, but input_ids[{place_of}] is {number}: give the same, or {MASKED_LABEL} for a "
                "token that is not learned"
            )
    if len(ids) > limit:
        return [MarkedRow([], dropped=f"its ids with labels are more than {limit:,}")]
    marked = [
        number if label == number and place_of else ~number
        for place_of, (number, label) in enumerate(zip(ids, labels, strict=True))
    ]
    learned = [number for number in marked if number >= 0]
    said = len(tokenizer.decode(learned).encode())
    return [MarkedRow(marked, len(learned), bool(learned) and learned[-1] in stops, text_bytes=said)]


def _integers(row: Mapping[str, Any], name: str, place: str) -> list[int]:
    values = row[name]
    if not isinstance(values, list) or not all(type(value) is int for value in values):
        raise DataError(f"{place}: {name!r} is {str(values)[:60]!r}: it should be a list of whole numbers")
    return values
