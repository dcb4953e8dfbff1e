"""Our own templates write the published formats, as transformers does, and a tokenizer gets the tokens that they need."""

from __future__ import annotations

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from groundup.errors import TokenizerError
from groundup.text.settings import Template
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.chat_templates import SOURCES, choose_template, padding_id, with_template
from groundup.tokens.conversation import encode_conversation
from groundup.tokens.special import END, PAD, with_special_tokens
from groundup.tokens.tokenizer import Tokenizer

NAMES: tuple[Template, ...] = ("chatml", "llama3", "alpaca")
SYSTEM = {"role": "system", "content": "Be brief."}
TALK = [
    {"role": "user", "content": "Correct.\n\nfreind\n\nnow"},
    {"role": "assistant", "content": "friend"},
    {"role": "user", "content": "国王 🚀?"},
    {"role": "assistant", "content": "A king."},
]
CHATML = """<|im_start|>system
Be brief.<|im_end|>
<|im_start|>user
Correct.

freind

now<|im_end|>
<|im_start|>assistant
friend<|im_end|>
<|im_start|>user
国王 🚀?<|im_end|>
<|im_start|>assistant
"""
LLAMA3 = """<|begin_of_text|><|start_header_id|>system<|end_header_id|>

Be brief.<|eot_id|><|start_header_id|>user<|end_header_id|>

Correct.

freind

now<|eot_id|><|start_header_id|>assistant<|end_header_id|>

friend<|eot_id|><|start_header_id|>user<|end_header_id|>

国王 🚀?<|eot_id|><|start_header_id|>assistant<|end_header_id|>

"""
ALPACA = """Be brief.

### Instruction:
Correct.

### Input:
freind

now

### Response:
friend<|endoftext|>

### Instruction:
国王 🚀?

### Response:
"""
ALPACA_WITH_INPUT = """Below is an instruction that describes a task, paired with an input that provides further context. \
Write a response that appropriately completes the request.

### Instruction:
Correct.

### Input:
freind

now

### Response:
"""
ALPACA_WITHOUT = """Below is an instruction that describes a task. Write a response that appropriately completes the request.

### Instruction:
国王 🚀?

### Response:
"""
# That of SmolLM2-Instruct and SmolLM2's other models that converse.
SMOLLM2 = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}{{ '<|im_start|>system\\nYou are a "
    "helpful AI assistant named SmolLM, trained by Hugging Face<|im_end|>\\n' }}{% endif %}{{'<|im_start|>' + message['role'] "
    "+ '\\n' + message['content'] + '<|im_end|>' + '\\n'}}{% endfor %}{% if add_generation_prompt %}{{ "
    "'<|im_start|>assistant\\n' }}{% endif %}"
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    """As GPT-2's, all of whose special tokens are the end token; of single bytes."""
    alphabet = sorted(tokenizers.pre_tokenizers.ByteLevel.alphabet())
    made = tokenizers.Tokenizer(tokenizers.models.BPE({sign: place for place, sign in enumerate(alphabet)}, []))
    made.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = tokenizers.decoders.ByteLevel()
    return with_special_tokens(made, [END])


@pytest.fixture(scope="module")
def smollm2(tokenizer: Tokenizer) -> Tokenizer:
    """As that of SmolLM2-Instruct, which pads with what ends a turn."""
    made = tokenizer.with_special_tokens(["<|im_start|>", "<|im_end|>", "<repo_name>", "<file_sep>"])
    roles = {"bos_token": "<|im_start|>", "eos_token": "<|im_end|>", "unk_token": END, "pad_token": "<|im_end|>"}
    return made.with_config({**roles, "chat_template": SMOLLM2})


@pytest.fixture(scope="module")
def made(tokenizer: Tokenizer) -> dict[str, ChatTemplate]:
    """One process for each template, not one for each test."""
    return {name: choose_template(with_template(tokenizer, name, may_grow=True), name) for name in NAMES}


@pytest.fixture(scope="module")
def theirs(tokenizer: Tokenizer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PreTrainedTokenizerFast]:
    opened: dict[str, PreTrainedTokenizerFast] = {}
    for name in NAMES:
        folder = tmp_path_factory.mktemp(name)
        with_template(tokenizer, name, may_grow=True).save(folder)
        opened[name] = AutoTokenizer.from_pretrained(folder)
    return opened


def test_the_texts_are_those_published(made: dict[str, ChatTemplate]) -> None:
    talk = [SYSTEM, *TALK[:3]]
    assert made["chatml"].render(talk, True) == CHATML
    assert made["llama3"].render(talk, True) == LLAMA3
    assert made["alpaca"].render(talk, True) == ALPACA
    assert made["alpaca"].render(TALK[:1], True) == ALPACA_WITH_INPUT
    assert made["alpaca"].render(TALK[2:3], True) == ALPACA_WITHOUT
    assert made["alpaca"].render([{"role": "system", "content": ""}, *TALK[2:]]) == (
        "### Instruction:\n国王 🚀?\n\n### Response:\nA king.<|endoftext|>"
    )


def test_chatml_is_what_smollm2_was_taught(made: dict[str, ChatTemplate], smollm2: Tokenizer) -> None:
    template = smollm2.chat_template
    assert template is not None
    for begin in (True, False):
        assert made["chatml"].render([SYSTEM, *TALK], begin) == template.render([SYSTEM, *TALK], begin)


TEXTS = st.text(st.sampled_from("ab \n{%}<|>'\\é国🚀#:"), max_size=12) | st.sampled_from(
    ["<|im_end|>", "a\n\nb\n\nc", "\n\n", ""]
)


@settings(max_examples=40)
@given(system=st.none() | TEXTS, said=st.lists(TEXTS, min_size=1, max_size=5), begin=st.booleans())
def test_transformers_writes_the_same(
    system: str | None,
    said: list[str],
    begin: bool,
    made: dict[str, ChatTemplate],
    theirs: dict[str, PreTrainedTokenizerFast],
) -> None:
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(said)]
    if system is not None:
        messages = [{"role": "system", "content": system}, *messages]
    for name in NAMES:
        expected = theirs[name].apply_chat_template(messages, tokenize=False, add_generation_prompt=begin)
        assert made[name].render(messages, begin) == expected


def test_transformers_reads_the_tokens_of_a_template_as_such(
    tokenizer: Tokenizer, made: dict[str, ChatTemplate], theirs: dict[str, PreTrainedTokenizerFast]
) -> None:
    for name in NAMES:
        ids = theirs[name].apply_chat_template(TALK, add_generation_prompt=True)["input_ids"]
        assert ids == encode_conversation(with_template(tokenizer, name, may_grow=True), made[name], TALK, True)


def test_auto_is_the_tokenizers_own_or_alpaca(tokenizer: Tokenizer, smollm2: Tokenizer) -> None:
    assert choose_template(smollm2, "auto").source == SMOLLM2
    assert choose_template(tokenizer, "auto").source == SOURCES["alpaca"]
    own = with_template(smollm2, "auto", may_grow=True)
    assert (own.sha256, own.config) == (smollm2.sha256, {**smollm2.config, "split_special_tokens": False})
    assert with_template(own, "auto", may_grow=True) is own


def test_missing_tokens_are_added_at_the_end_or_named(tokenizer: Tokenizer) -> None:
    grown = with_template(tokenizer, "chatml", may_grow=True)
    assert grown.token_id("<|im_start|>") == tokenizer.vocab_size
    assert grown.token_id("<|im_end|>") == tokenizer.vocab_size + 1
    assert grown.special_tokens().keys() >= {"<|im_start|>", "<|im_end|>", PAD}
    assert grown.decode(grown.encode("a<|im_end|>b")) == "a<|im_end|>b"
    message = r"lacks <\|im_start\|>, <\|im_end\|> of data.template='chatml', and its ids may not grow here: use data.template=\"alpaca\""
    with pytest.raises(TokenizerError, match=message):
        with_template(tokenizer, "chatml", may_grow=False)
    assert with_template(tokenizer, "alpaca", may_grow=False).vocab_size == tokenizer.vocab_size


def test_a_text_stops_spelling_a_token_that_a_template_needs(tokenizer: Tokenizer) -> None:
    grown = with_template(tokenizer, "chatml", may_grow=True)
    again = with_template(grown.with_config({"chat_template": None}), "chatml", may_grow=False)
    assert again.vocab_size == grown.vocab_size
    assert again.sha256 == grown.sha256


def test_alpaca_needs_an_end_token(tokenizer: Tokenizer) -> None:
    endless = Tokenizer(tokenizer._json, {}, {})
    grown = with_template(endless, "alpaca", may_grow=False)  # it is there, and nothing said what it is
    assert grown.end_id == tokenizer.end_id
    assert choose_template(grown, "alpaca").render(TALK[2:]).endswith("### Response:\nA king.<|endoftext|>")
    without = Tokenizer(tokenizer._json.replace(b"<|endoftext|>", b"<|other|>"), {}, {})
    with pytest.raises(
        TokenizerError, match=r"lacks <.endoftext.> of data.template='alpaca', .*: use training.method=\"full\""
    ):
        with_template(without, "alpaca", may_grow=False)
    assert with_template(without, "alpaca", may_grow=True).end_id == tokenizer.vocab_size
    other = Tokenizer(tokenizer._json, {}, {"end": tokenizer.encode("e")[0]})
    with pytest.raises(
        TokenizerError, match=r"the tokenizer's end token 'e' is no special token, so any text may spell it"
    ):
        with_template(other, "alpaca", may_grow=True)


def test_padding_ends_nothing(tokenizer: Tokenizer, smollm2: Tokenizer) -> None:
    assert padding_id(tokenizer) is None
    grown = with_template(tokenizer, "alpaca", may_grow=True)
    assert padding_id(grown) == grown.pad_id == grown.token_id(PAD) == tokenizer.vocab_size
    assert smollm2.pad_id == smollm2.end_id == smollm2.token_id("<|im_end|>")
    assert padding_id(smollm2) == smollm2.token_id("<repo_name>")
    llama3 = ["<|end_of_text|>", "<|eot_id|>", "<|python_tag|>", "<|reserved_special_token_0|>"]
    made = tokenizer.with_special_tokens(llama3)
    assert padding_id(made) == made.token_id("<|reserved_special_token_0|>")
    made = made.with_special_tokens(["<|finetune_right_pad_id|>"])
    assert padding_id(made) == made.token_id("<|finetune_right_pad_id|>")
    unknown = tokenizer.with_special_tokens(["<unk>"]).with_config({"unk_token": "<unk>", "pad_token": "<unk>"})
    assert padding_id(unknown) == unknown.token_id("<unk>")
