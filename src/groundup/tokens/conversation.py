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


def encode_conversation(
    tokenizer: Tokenizer,
    template: ChatTemplate,
    messages: Sequence[Mapping[str, str]],
    add_generation_prompt: bool = False,
) -> list[int]:
    """The ids of a conversation as its template writes it.

    Where a message spells a special token, `<|im_end|>` say, it is encoded as the characters that it is made of: nobody ends their
    turn by writing so. Raises `TokenizerError` as `ChatTemplate.render` does.
    """
    names = sorted(tokenizer.special_tokens(), key=len, reverse=True)
    said = "".join(message["content"] for message in messages)
    spelled = re.compile("|".join(map(re.escape, names)) if names else r"(?!)")
    if spelled.search(said) is None:
        return tokenizer.encode_with_special_tokens(template.render(messages, add_generation_prompt))
    mark = next(chr(code) for code in range(FIRST_MARK, FIRST_MARK + len(said) + 1) if chr(code) not in said)
    hidden: list[str] = []

    def hide(match: re.Match[str]) -> str:
        hidden.append(match[0])
        return f"{mark}{len(hidden) - 1}{mark}"

    marked = [{**message, "content": spelled.sub(hide, message["content"])} for message in messages]
    ids: list[int] = []
    for number, part in enumerate(re.split(rf"{mark}(\d+){mark}", template.render(marked, add_generation_prompt))):
        if number % 2:
            ids += tokenizer.encode(hidden[int(part)], whole=False)
        elif part:
            ids += tokenizer.encode_with_special_tokens(part)
    return ids
