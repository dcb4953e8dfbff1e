"""The tokens that TRL learns, from the chat templates that models were published with.

TRL brings those along, and beside many of them one for training, with `{% generation %}` around what the assistant writes; from that
its SFTTrainer has the mask, by `apply_chat_template`, for `assistant_only_loss`. Its DPOTrainer takes the ids of the question and of
the question with each answer. Both go on learning behind the end of turn, where the template writes a line break: here it is only read.
"""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from groundup.errors import TokenizerError
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.chat_templates import CHATML, LLAMA3, with_template
from groundup.tokens.learned_tokens import mark_conversation, mark_pair
from groundup.tokens.tokenizer import Tokenizer

LICENSE = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
SPELLED = re.compile(r"<\|[^<>]+\|>|<(?:start|end)_of_turn>")
GENERATION = CHATML.replace(
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' }}",
    "{{ '<|im_start|>' + message['role'] + '\\n' }}{% if message['role'] == 'assistant' %}{% generation %}"
    "{{ message['content'] + '<|im_end|>' }}{% endgeneration %}{% else %}{{ message['content'] + '<|im_end|>' }}{% endif %}{{ '\\n' }}",
)
TALK = [
    {"role": "user", "content": "Hello  <b>you</b> & “them”"},
    {"role": "assistant", "content": "Good day.\n\nSir?"},
    {"role": "user", "content": "国王 🚀 ends here"},
    {"role": "assistant", "content": "It ends: 7"},
]
TALKS = [TALK, TALK[:2], [{"role": "system", "content": "Be brief."}, *TALK]]
NO_LIMIT = 10**6


def published(name: str) -> str:
    """A template as it lies in TRL's package, which isn't imported: that takes seconds."""
    spec = importlib.util.find_spec("trl")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return (Path(spec.submodule_search_locations[0]) / "chat_templates" / f"{name}.jinja").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def plain() -> Tokenizer:
    return train_byte_pair_tokenizer([LICENSE], 400)


def both(plain: Tokenizer, source: str, folder: Path) -> tuple[Tokenizer, PreTrainedTokenizerFast]:
    names = list(dict.fromkeys([*SPELLED.findall(source), "<bos>"]))
    ours = plain.with_special_tokens(names).with_config({"bos_token": "<bos>", "chat_template": source})
    ours.save(folder)
    theirs = AutoTokenizer.from_pretrained(folder)
    theirs.split_special_tokens = (
        False  # what we write, so that nobody's text becomes one; there it is the template's, too
    )
    return ours, theirs


@pytest.mark.parametrize(
    "name", ["cohere", "gemma", "gemma3", "lfm2", "llama3", "qwen2_5", "qwen3_instruct_2507", "qwen3", "chatml"]
)
def test_assistant_only_loss(name: str, plain: Tokenizer, tmp_path: Path) -> None:
    source = CHATML if name == "chatml" else published(name)
    training = GENERATION if name == "chatml" else published(f"{name}_training")
    ours, theirs = both(plain, source, tmp_path)
    template = ours.chat_template
    assert template is not None
    talks = (
        TALKS[:2] if name == "gemma" else TALKS[1:2] if name == "qwen3" else TALKS
    )  # no system message; thinking in every turn
    for talk in talks:
        row = mark_conversation(talk, ours, template, NO_LIMIT)
        expected = theirs.apply_chat_template(
            talk, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, chat_template=training
        )
        ids = [number if number >= 0 else ~number for number in row.ids]
        assert ids == expected["input_ids"] == theirs.apply_chat_template(talk, tokenize=True)["input_ids"]
        differ = [
            place
            for place, (number, mask) in enumerate(zip(row.ids, expected["assistant_masks"], strict=True))
            if mask != (number >= 0)
        ]
        assert not ours.decode([ids[place] for place in differ], skip_special_tokens=False).strip("\n")
        assert row.stop_learned


def test_llama_3_is_the_published_one(plain: Tokenizer, tmp_path: Path) -> None:
    ours = with_template(plain, "llama3", may_grow=True).with_config({"bos_token": "<|begin_of_text|>"})
    ours.save(tmp_path)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for talk in (*TALKS, TALK[:3], [{"role": "user", "content": "  \n x \n"}]):
        for begin in (True, False):
            texts = [
                theirs.apply_chat_template(talk, tokenize=False, add_generation_prompt=begin, chat_template=source)
                for source in (LLAMA3, published("llama3"))
            ]
            assert texts[0] == texts[1]


@pytest.mark.parametrize("name", ["qwen2_5", "llama3"])
def test_pairs(name: str, plain: Tokenizer, tmp_path: Path) -> None:
    ours, theirs = both(plain, published(name), tmp_path)
    template = ours.chat_template
    assert template is not None
    row = {"prompt": TALK[:3], "chosen": [TALK[3]], "rejected": [{"role": "assistant", "content": "It goes on."}]}
    question = theirs.apply_chat_template(TALK[:3], tokenize=True, add_generation_prompt=True)["input_ids"]
    for marked, answer in zip(mark_pair(row, "here", ours, template, NO_LIMIT), ("chosen", "rejected"), strict=True):
        whole = theirs.apply_chat_template([*TALK[:3], *row[answer]], tokenize=True)["input_ids"]
        assert [number if number >= 0 else ~number for number in marked.ids] == whole
        assert whole[: len(question)] == question
        assert marked.ids[: len(question)] == [~number for number in question]
        assert all(number >= 0 for number in marked.ids[len(question) :][: marked.learned])
        assert not ours.decode([~number for number in marked.ids[len(question) + marked.learned :]]).strip("\n")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("deepseek_r1_distill", r"writes '<think>\\n' ahead of an answer, but 'Good day"),
        ("idefics3", "leaves out or changes a part of the answer 'Good day"),
        ("llava_next", "can't be used for this conversation"),
    ],
)  # fmt: skip
def test_templates_that_no_mask_fits(name: str, message: str, plain: Tokenizer, tmp_path: Path) -> None:
    """One that begins what the model thinks, one that takes pictures only, one that wants parts of messages."""
    ours, _ = both(plain, published(name), tmp_path)
    template = ours.chat_template
    assert template is not None
    with pytest.raises(TokenizerError, match=message):
        mark_conversation(TALK, ours, template, NO_LIMIT)
