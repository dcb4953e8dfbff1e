"""A conversation as ids: the template's special tokens are tokens, and what people say never is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from groundup.errors import TokenizerError
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.tokenizer import Tokenizer

FIRST_MARK = 0xE000  # for private use
ASKED, SAID = "Is the sea salty", "It is"
TRIAL = ({"role": "user", "content": ASKED}, {"role": "assistant", "content": SAID})


def end_of_turn(tokenizer: Tokenizer, template: ChatTemplate) -> int | None:
    """The special token that ends the assistant's turn: what the template writes behind its text. None if that is no special token.

    Raises `TokenizerError` for a template that leaves out what the messages say; one that refuses a short talk says why when it is used.
    """
    try:
        text = template.render(TRIAL)
    except TokenizerError:
        return None
    if ASKED.casefold() not in text.casefold():
        raise TokenizerError(
            "the chat template leaves out what the user says, so the model would reply to nothing: use another template"
        )
    _, said, after = text.rpartition(SAID)
    ids = tokenizer.encode_with_special_tokens(after.lstrip()) if said else []
    return ids[0] if ids and ids[0] in tokenizer.special_tokens().values() else None


class Spelled:
    """Messages with marks where they spell special tokens, `<|im_end|>` say: nobody ends their turn by writing so.

    A template writes the marks where it would have written the texts, and `encode` encodes each as the characters that it stands for.
    """

    def __init__(self, tokenizer: Tokenizer, messages: Sequence[Mapping[str, str]]) -> None:
        self.tokenizer = tokenizer
        self.special = tokenizer.special_pattern
        """Finds any of them in a text, and in the texts of a template those that it means."""
        self._hidden: list[str] = []
        said = "".join(message["content"] for message in messages)
        self._mark = ""
        self.messages = messages
        if self.special.search(said) is not None:
            self._mark = next(
                chr(code) for code in range(FIRST_MARK, FIRST_MARK + len(said) + 1) if chr(code) not in said
            )
            self.messages = [
                {**message, "content": self.special.sub(self._hide, message["content"])} for message in messages
            ]

    def encode(self, text: str) -> list[int]:
        """The ids of a text that a template made of `messages`, or of a part of it."""
        ids: list[int] = []
        for number, part in enumerate(self._parts(text)):
            if number % 2:
                ids += self.tokenizer.encode(self._hidden[int(part)], whole=False)
            elif part:
                ids += self.tokenizer.encode_with_special_tokens(part)
        return ids

    def reveal(self, text: str) -> str:
        """Such a text as it was said."""
        return "".join(self._hidden[int(part)] if number % 2 else part for number, part in enumerate(self._parts(text)))

    def _parts(self, text: str) -> list[str]:
        """What stands between the marks, and every second one the number of what a mark hides."""
        return re.split(rf"{self._mark}(\d+){self._mark}", text) if self._mark else [text]

    def _hide(self, match: re.Match[str]) -> str:
        self._hidden.append(match[0])
        return f"{self._mark}{len(self._hidden) - 1}{self._mark}"


def encode_conversation(
    tokenizer: Tokenizer,
    template: ChatTemplate,
    messages: Sequence[Mapping[str, str]],
    add_generation_prompt: bool = False,
) -> list[int]:
    """The ids of a conversation as its template writes it, in which no message spells a special token.

    Raises `TokenizerError` as `ChatTemplate.render` does.
    """
    spelled = Spelled(tokenizer, messages)
    return spelled.encode(template.render(spelled.messages, add_generation_prompt))
