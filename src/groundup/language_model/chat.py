"""A conversation as plain text, for models that were not taught to converse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from groundup.errors import GenerationError

TURN_END = "\n\n"
ROLES = ("system", "user", "assistant")

Message = Mapping[str, str]
"""`role` (system, user or assistant) and `content`, the text."""


def transcript(messages: Sequence[Message]) -> str:
    """Each turn's text with a blank line after it; the model's turn follows, until it writes a blank line."""
    return "".join(message["content"].strip() + TURN_END for message in messages)


def check_messages(messages: Sequence[Message]) -> None:
    """Raise `GenerationError` unless these are messages, the last of them with something to reply to."""
    if not messages:
        raise GenerationError("there are no messages to reply to: give at least one, {'role': 'user', 'content': …}")
    for number, message in enumerate(messages):
        if (
            not isinstance(message, Mapping)
            or set(message) != {"role", "content"}
            or not isinstance(message["content"], str)
        ):
            raise GenerationError(
                f"messages[{number}] = {message!r}: write it as {{'role': 'user', 'content': 'the text'}}"
            )
        if message["role"] not in ROLES:
            raise GenerationError(f"messages[{number}] has the role {message['role']!r}: use {', '.join(ROLES)}")
    if messages[-1]["role"] != "user":
        raise GenerationError(
            f"the last message has the role {messages[-1]['role']!r}: end with the user's, to be replied to"
        )
