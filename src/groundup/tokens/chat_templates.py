"""The chat templates that we bring along, and the tokens that they need.

ChatML is OpenAI's (github.com/openai/openai-python, chatml.md); Llama 3's is Meta's (The Llama 3 Herd of Models 2024, and its model
card); Alpaca's is Stanford's (Taori et al. 2023, github.com/tatsu-lab/stanford_alpaca), with a line break behind "### Response:" as
Alpaca-LoRA has it. Alpaca was made for one question and answer. Here further exchanges follow with their own headings below one
introduction, for which a system message stands if there is one; each answer ends with the tokenizer's end token. In what the user
says, the first blank line parts the instruction from its input; so a conversation says all that the template needs, in training and
when the model answers.
"""

from __future__ import annotations

import re
from typing import get_args

from groundup.errors import TokenizerError
from groundup.text.settings import Template
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.conversation import end_of_turn
from groundup.tokens.special import END, PAD
from groundup.tokens.tokenizer import OTHER_ENDS, Tokenizer

CHATML = (
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
LLAMA3 = (
    "{{ '<|begin_of_text|>' }}"
    "{% for message in messages %}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
ALPACA = (
    "{% set turns = messages | rejectattr('role', 'equalto', 'system') | list %}"
    "{% if messages and messages[0]['role'] == 'system' %}"
    "{{ messages[0]['content'] + ('\\n\\n' if messages[0]['content'] else '') }}"
    "{% elif turns and '\\n\\n' in turns[0]['content'] | trim %}"
    "{{ 'Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request.\\n\\n' }}"
    "{% else %}"
    "{{ 'Below is an instruction that describes a task. "
    "Write a response that appropriately completes the request.\\n\\n' }}"
    "{% endif %}"
    "{% for message in turns %}"
    "{% if message['role'] == 'user' %}"
    "{% set parts = (message['content'] | trim).split('\\n\\n', 1) %}"
    "{{ ('' if loop.first else '\\n\\n') + '### Instruction:\\n' + parts[0] | trim + '\\n\\n' }}"
    "{% if parts | length > 1 %}{{ '### Input:\\n' + parts[1] | trim + '\\n\\n' }}{% endif %}"
    "{% if not loop.last or add_generation_prompt %}{{ '### Response:\\n' }}{% endif %}"
    "{% else %}"
    "{{ message['content'] + eos_token }}"
    "{% endif %}"
    "{% endfor %}"
)
SOURCES = {"chatml": CHATML, "llama3": LLAMA3, "alpaca": ALPACA}
SPLIT = "split_special_tokens"  # a key of tokenizer_config.json
SPELLED = re.compile(r"<\|\w+\|>")

ENDS = re.compile(r"end|eo[stmd]\b|eo[stmd]_|^</s>$|^\[sep\]$", re.IGNORECASE)
"""Names of tokens that may end a text or a turn."""
SPARE = re.compile("reserved|unused", re.IGNORECASE)
ROLES = ("bos_token", "eos_token", "unk_token", "sep_token", "cls_token", "mask_token")


def choose_template(tokenizer: Tokenizer, name: Template) -> ChatTemplate:
    """How conversations are written for a tokenizer: `data.template`. Raises `TokenizerError` when it lacks the template's tokens."""
    template = with_template(tokenizer, name, may_grow=False).chat_template
    assert template is not None
    return template


def with_template(tokenizer: Tokenizer, name: Template, may_grow: bool) -> Tokenizer:
    """The tokenizer with a template in its configuration; `auto` keeps the one that it has, else Alpaca's.

    Special tokens that it lacks are added at the end of its ids if it `may_grow` (the model's embeddings then grow with it), and a
    padding token of its own. What ends a turn ends what the model writes.
    Raises `TokenizerError` if it may not and lacks one of the template's.
    """
    assert name in get_args(Template)
    if name == "auto" and tokenizer.chat_template is not None:
        chosen = tokenizer
    else:
        name = "alpaca" if name == "auto" else name
        names = list(dict.fromkeys(SPELLED.findall(SOURCES[name])))
        if name == "alpaca":
            tokenizer = _with_end(tokenizer, may_grow)
        chosen = _with_tokens(tokenizer, names, name, may_grow).with_config({"chat_template": SOURCES[name]})
    if may_grow and padding_id(chosen) is None:
        chosen = chosen.with_special_tokens([PAD]).with_config({"pad_token": PAD})
    return _spelling_tokens(_ending_turns(chosen))


def _ending_turns(tokenizer: Tokenizer) -> Tokenizer:
    """With the token that ends a turn of its template among those at which writing stops, so that whoever opens the model stops there."""
    template = tokenizer.chat_template
    end = None if template is None else end_of_turn(tokenizer, template)
    if end is None or end in tokenizer.end_ids:
        return tokenizer
    names = {number: name for name, number in tokenizer.special_tokens().items()}
    others = [names[number] for number in tokenizer.end_ids if number != tokenizer.end_id and number in names]
    return tokenizer.with_config({OTHER_ENDS: [*others, names[end]]})


def _spelling_tokens(tokenizer: Tokenizer) -> Tokenizer:
    """Without `split_special_tokens`, by which transformers would read the tokens that the template spells as so many characters."""
    return tokenizer.with_config({SPLIT: False}) if tokenizer.config.get(SPLIT) else tokenizer


def padding_id(tokenizer: Tokenizer) -> int | None:
    """A token to pad with that ends no text and no turn: the tokenizer's own, or a special token that is not in use. None if it has none.

    Many tokenizers pad with their end token, and where padding is masked by its id, no model ever learns to end.
    """
    names = {number: name for name, number in tokenizer.special_tokens().items()}
    used = {tokenizer.end_id, tokenizer.unknown_id, *map(tokenizer.token_id, tokenizer.role_tokens(ROLES))}
    template = tokenizer.chat_template
    source = "" if template is None else template.source

    def ends_something(number: int) -> bool:
        name = names.get(number, "")
        return number == tokenizer.end_id or bool(ENDS.search(name)) or (name != "" and name in source)

    if tokenizer.pad_id is not None and not ends_something(tokenizer.pad_id):
        return tokenizer.pad_id
    free = [number for number in names if number not in used and not ends_something(number)]
    # One that is called so before one that is kept for whatever may come, and that before one for another purpose.
    return min(
        free,
        key=lambda number: ("pad" not in names[number].lower(), not SPARE.search(names[number]), number),
        default=None,
    )


def _with_end(tokenizer: Tokenizer, may_grow: bool) -> Tokenizer:
    """With an end token that the configuration names, so that a template can write it."""
    if tokenizer.end_id is None:
        tokenizer = _with_tokens(tokenizer, [END], "alpaca", may_grow)
        return tokenizer.with_config({"eos_token": END})
    names = {number: name for name, number in tokenizer.special_tokens().items()}
    if tokenizer.end_id not in names:
        name = tokenizer.decode([tokenizer.end_id], skip_special_tokens=False)
        raise TokenizerError(
            f"the tokenizer's end token {name!r} is no special token, so any text may spell it: use another template"
        )
    return tokenizer.with_config({"eos_token": names[tokenizer.end_id]})


def _with_tokens(tokenizer: Tokenizer, names: list[str], template: str, may_grow: bool) -> Tokenizer:
    missing = [name for name in names if tokenizer.token_id(name) is None]
    if missing and not may_grow:
        other = "" if template == "alpaca" else 'data.template="alpaca", which needs no tokens of its own, or '
        raise TokenizerError(
            f"the tokenizer lacks {', '.join(missing)} of data.template={template!r}, and its ids may not grow here: use "
            f'{other}training.method="full"'
        )
    plain = [name for name in names if name not in tokenizer.special_tokens()]
    return tokenizer.with_special_tokens(plain) if plain else tokenizer
