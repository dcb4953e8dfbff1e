"""Rows that teach by example, in whichever of the usual formats, as conversations, and as pairs of answers.

| fields | a row of |
|---|---|
| `instruction`, `input`?, `output` | Alpaca |
| `prompt`, `completion` | texts, or lists of messages |
| `messages`: a list of `role`, `content` | OpenAI, Hugging Face |
| `conversations`: a list of `from`, `value` | ShareGPT |
| one of these questions with `chosen`, `rejected` | preferences: texts, messages or lists of messages |
| `text` | plain text, where a row has none of the others |
| `input_ids`, `labels`? | ids |

A `system` field stands before any of these. A field that is null is missing. Others are not read.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from groundup.errors import DataError

Message = Mapping[str, str]
"""`role` (system, user or assistant) and `content`, the text."""
Kind = Literal["text", "input_ids", "conversation", "preference"]

ROLES = {"system": "system", "user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}
FORMATS = (("instruction", "output"), ("prompt", "completion"), ("messages",), ("conversations",), ("input_ids",))
QUESTIONS = ("instruction", "prompt", "conversations")
SURROGATE = re.compile("[\ud800-\udfff]")
MOST_NAMES = 12
_short = reprlib.Repr()
_short.maxstring = _short.maxother = 60


@dataclass(frozen=True)
class Pair:
    """A question with a better and a worse answer."""

    prompt: tuple[Message, ...]
    """The conversation up to the question, the user's message at its end."""
    chosen: str
    rejected: str


def kind_of_row(row: Mapping[str, Any], place: str = "the row") -> Kind:
    """What a row is, by its fields. `place`: what messages call it, as "rows.jsonl, line 12".

    A row with `chosen` and `rejected` is a preference, whatever else it has; its own `output` can be taught as a conversation, too.
    Raises `DataError` for a row of none of the formats, or of two of them.
    """
    if _given(row, "chosen") and _given(row, "rejected"):
        return "preference"
    names = _format_of(row, place)
    return "text" if names == ("text",) else "input_ids" if names == ("input_ids",) else "conversation"


def objective_of_row(row: Mapping[str, Any]) -> str:
    """The training objective that reads such rows; "" for a text, or for what is none of the formats."""
    try:
        kind = kind_of_row(row)
    except DataError:
        return ""
    return {"preference": "preference", "conversation": "instruction"}.get(kind, "")


def conversation_of(row: Mapping[str, Any], place: str) -> tuple[Message, ...]:
    """A row's conversation: a system message or none, then the user and the assistant by turns, the assistant last.

    An instruction's `input` stands below it, a blank line between. Raises `DataError` for a row that is none, or not whole.
    """
    names = _format_of(row, place)
    if names in (("text",), ("input_ids",)):
        raise DataError(
            f"{place} holds {names[0]!r}, which is no conversation: give 'messages', or a question and answer"
        )
    messages = _question(row, place, names[0])
    if len(names) == 2:
        messages = (*messages, *_messages(row[names[1]], place, names[1], "assistant"))
    _check_turns(messages, place)
    if messages[-1]["role"] != "assistant":
        pair = _given(row, "chosen") and _given(row, "rejected")
        advice = (
            'train on pairs with training.objective="preference"'
            if pair
            else "end with the answer that is to be learned"
        )
        raise DataError(f"{place}: the last message is the {messages[-1]['role']}'s, {_shown(messages[-1])}: {advice}")
    return messages


def preference_of(row: Mapping[str, Any], place: str) -> Pair:
    """A row's question and its two answers. Raises `DataError` for a row that has none, or not all of it."""
    for name in ("chosen", "rejected"):
        if not _given(row, name):
            raise DataError(
                f"{place} has no {name!r} (it is {_lack(row, name)}): a preference needs 'chosen' and 'rejected', a better and a "
                "worse answer"
            )
    named = [name for name in QUESTIONS if _given(row, name)]
    if len(named) > 1:
        raise DataError(f"{place} holds its question as {_and(named)}: keep one of them")
    asked = _question(row, place, named[0]) if named else _system(row, place)
    conversations = {name: _answered(asked, row[name], place, name) for name in ("chosen", "rejected")}
    chosen, rejected = conversations.values()
    if chosen[:-1] != rejected[:-1]:
        raise DataError(f"{place}: 'chosen' and 'rejected' answer different conversations: give both the same question")
    if all(message["role"] == "system" for message in chosen[:-1]):
        raise DataError(f"{place} has no question: add 'prompt', or 'conversations'")
    _check_turns(chosen, place)
    return Pair(chosen[:-1], chosen[-1]["content"], rejected[-1]["content"])


def _answered(asked: tuple[Message, ...], value: Any, place: str, name: str) -> tuple[Message, ...]:
    """A question with one of its answers, which may come with the whole conversation (as UltraFeedback's do).

    `asked` may be a system message alone, where the question stands there.
    """
    given = _messages([value] if isinstance(value, Mapping) else value, place, name, "assistant")
    if given[-1]["role"] != "assistant":
        raise DataError(
            f"{place}: {name!r} ends with a message of the {given[-1]['role']}, {_shown(given[-1])}: end with an answer"
        )
    before = given[:-1]
    if not before:
        return (*asked, *given)
    system, question = _parted(asked)
    own, turns = _parted(before)
    if own and system and own != system:
        raise DataError(
            f"{place}: {name!r} has another system message than the row: {_shown(own[0])}; keep one of them"
        )
    if question and turns[-len(question) :] != question:
        raise DataError(
            f"{place}: {name!r} answers another question than the row's: {_shown(before[-1])}; keep one of them"
        )
    return (*(own or system), *turns, given[-1])


def _parted(messages: tuple[Message, ...]) -> tuple[tuple[Message, ...], tuple[Message, ...]]:
    """The system message, if there is one, and the others."""
    turns = 1 if messages and messages[0]["role"] == "system" else 0
    return messages[:turns], messages[turns:]


def _format_of(row: Mapping[str, Any], place: str) -> tuple[str, ...]:
    found = [names for names in FORMATS if all(_given(row, name) for name in names)]
    if len(found) > 1:  # tables have no null: a column of another row's format is empty in this one
        found = [names for names in found if any(row[name] not in ("", []) for name in names)] or found
    if len(found) == 1:
        return found[0]
    if found:
        raise DataError(
            f"{place} holds both {_and(found[0])} and {_and(found[1])}: keep one of them, it can't be said which counts"
        )
    if _given(row, "chosen") and _given(row, "rejected"):
        raise DataError(
            f'{place} is a preference, without an answer that is learned by itself: use training.objective="preference", or add one'
        )
    for name, needed in (pair for pair in FORMATS if len(pair) == 2):
        if _given(row, name) or _given(row, needed):
            there, missing = (name, needed) if _given(row, name) else (needed, name)
            raise DataError(
                f"{place} has {there!r} but no {missing!r} (it is {_lack(row, missing)}): add it, or leave the row out"
            )
    if _given(row, "text"):
        return ("text",)
    named = ", ".join(repr(name[:40]) for name in [*row][:MOST_NAMES]) or "nothing"
    formats = "; ".join(_and(names) for names in FORMATS)
    raise DataError(f"{place} holds {named}, none with a value that is read: name the fields {formats}; or 'text'")


def _question(row: Mapping[str, Any], place: str, name: str) -> tuple[Message, ...]:
    """What stands in the field that opens a row, with the row's own system message."""
    messages = _messages(row[name], place, name, "user")
    if name == "instruction" and _given(row, "input"):
        more = _text(row["input"], place, "input")
        if more.strip():
            content = f"{messages[0]['content']}\n\n{more}"
            messages = ({"role": "user", "content": content},)
    system = _system(row, place)
    if system and messages[0]["role"] == "system":
        raise DataError(f"{place} holds a 'system' field, {_shown(system[0])}, and a system message: keep one of them")
    return (*system, *messages)


def _system(row: Mapping[str, Any], place: str) -> tuple[Message, ...]:
    """The row's own system message, or none."""
    content = _text(row["system"], place, "system") if _given(row, "system") else ""
    return ({"role": "system", "content": content},) if content.strip() else ()


def _messages(value: Any, place: str, name: str, role: str) -> tuple[Message, ...]:
    """A text, which is `role`'s, or a list of messages."""
    if isinstance(value, str) and name not in ("messages", "conversations"):
        return (_message(role, value, place, name),)
    if name in ("instruction", "output") or not isinstance(value, Sequence) or isinstance(value, str | bytes):
        lists = "a list of messages" if name in ("messages", "conversations") else "a text, or a list of messages"
        wanted = "a text" if name in ("instruction", "output") else lists
        raise DataError(f"{place}: {name!r} is {_shown_value(value)}: it should be {wanted}")
    if not value:
        raise DataError(f"{place}: {name!r} is an empty list: add messages, or leave the row out")
    return tuple(_message_of(item, place, f"{name}[{number}]") for number, item in enumerate(value))


def _message_of(item: Any, place: str, name: str) -> Message:
    if not isinstance(item, Mapping):
        raise DataError(f"{place}: {name} is {_shown_value(item)}: write a message, with 'role' and 'content'")
    keys = ("from", "value") if _given(item, "from") else ("role", "content")
    for key in keys:
        if not _given(item, key):
            raise DataError(f"{place}: {name} has no {key!r} (it is {_lack(item, key)}): a message is {_and(keys)}")
    role = item[keys[0]]
    if not isinstance(role, str) or role not in ROLES:
        raise DataError(
            f"{place}: {name}.{keys[0]} is {_short.repr(role)}, which is no role here: use {', '.join(ROLES)}"
        )
    return _message(ROLES[role], item[keys[1]], place, f"{name}.{keys[1]}")


def _message(role: str, content: Any, place: str, name: str) -> Message:
    text = _text(content, place, name)
    if role != "system" and not text.strip():
        what = "there is no answer to learn" if role == "assistant" else "there is nothing to answer"
        raise DataError(f"{place}: {name!r} is {_short.repr(text)}, so {what}: fill it in, or leave the row out")
    return {"role": role, "content": text}


def _text(value: Any, place: str, name: str) -> str:
    if not isinstance(value, str):
        raise DataError(f"{place}: {name!r} is {_shown_value(value)}: it should be a text")
    if found := SURROGATE.search(value):
        raise DataError(
            f"{place}: {name!r} holds U+{ord(found[0]):04X} at character {found.start():,}, half of a surrogate pair, which no "
            "valid Unicode text does: remove it"
        )
    return value


def _check_turns(messages: tuple[Message, ...], place: str) -> None:
    """Raise `DataError` unless user and assistant take turns after the system message, if there is one."""
    turns = messages[1:] if messages[0]["role"] == "system" else messages
    if not turns:
        raise DataError(f"{place} holds a system message only: add the user's and the assistant's")
    for number, message in enumerate(turns):
        expected = ("user", "assistant")[number % 2]
        if message["role"] != expected:
            where = "begins with" if number == 0 else f"after the {turns[number - 1]['role']}'s message comes one of"
            raise DataError(
                f"{place}: {'the conversation ' if number == 0 else ''}{where} the {message['role']}, {_shown(message)}: "
                f"one of the {expected} belongs there"
            )


def _given(row: Mapping[str, Any], name: str) -> bool:
    return row.get(name) is not None


def _lack(row: Mapping[str, Any], name: str) -> str:
    return "null" if name in row else "missing"


def _shown(message: Message) -> str:
    return _short.repr(message["content"])


def _shown_value(value: Any) -> str:
    kinds = {
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
        dict: "an object",
        list: "a list",
    }
    return "null" if value is None else f"{_short.repr(value)}, {kinds.get(type(value), f'a {type(value).__name__}')}"


def _and(names: Sequence[str]) -> str:
    return " and ".join(map(repr, names))
