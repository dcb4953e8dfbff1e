"""Of a row the assistant's tokens are learned, its end of turn included, and the model reads before them what it will read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.errors import DataError, TokenizerError
from groundup.language_model.model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.text.conversations import conversation_of
from groundup.text.settings import Template
from groundup.tokens import chat_template
from groundup.tokens.byte_pair import train_byte_pair_tokenizer
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.chat_templates import with_template
from groundup.tokens.conversation import encode_conversation
from groundup.tokens.learned_tokens import MarkedRow, encode_in_parts, mark_conversation, mark_pair, mark_row
from groundup.tokens.tokenizer import Tokenizer

LICENSE = Path(__file__).parents[2].joinpath("LICENSE").read_text(encoding="utf-8")
USER = {"role": "user", "content": "Correct.\n\nfreind"}
ASSISTANT = {"role": "assistant", "content": "friend"}
TALK = [USER, ASSISTANT, {"role": "user", "content": "国王 🚀?"}, {"role": "assistant", "content": "A king.\n\nOr so."}]
ROW = {"instruction": "Correct.", "input": "freind", "output": "friend"}
NO_LIMIT = 10**6

Made = dict[str, tuple[Tokenizer, ChatTemplate]]


@pytest.fixture(scope="module")
def made() -> Made:
    tokenizer = train_byte_pair_tokenizer([LICENSE], 400)
    names: tuple[Template, ...] = ("chatml", "llama3", "alpaca")
    grown = {name: with_template(tokenizer, name, may_grow=True) for name in names}
    return {name: (each, template) for name, each in grown.items() if (template := each.chat_template)}


def with_marks(row: MarkedRow, tokenizer: Tokenizer) -> str:
    """A row's text, what is learned in [brackets]."""
    pieces: list[str] = []
    for learned, ids in runs(row.ids):
        text = tokenizer.decode(ids, skip_special_tokens=False)
        pieces.append(f"[{text}]" if learned else text)
    return "".join(pieces)


def runs(marked: list[int]) -> Iterator[tuple[bool, list[int]]]:
    begin = 0
    for place in range(1, len(marked) + 1):
        if place == len(marked) or (marked[place] < 0) != (marked[begin] < 0):
            yield marked[begin] >= 0, [number if number >= 0 else ~number for number in marked[begin:place]]
            begin = place


def unmarked(row: MarkedRow) -> list[int]:
    return [number if number >= 0 else ~number for number in row.ids]


def test_the_assistants_turns_are_learned_and_nothing_else(made: Made) -> None:
    tokenizer, template = made["chatml"]
    row = mark_conversation(TALK, tokenizer, template, NO_LIMIT)
    assert with_marks(row, tokenizer) == (
        "<|im_start|>user\nCorrect.\n\nfreind<|im_end|>\n<|im_start|>assistant\n[friend<|im_end|>]\n"
        "<|im_start|>user\n国王 🚀?<|im_end|>\n<|im_start|>assistant\n[A king.\n\nOr so.<|im_end|>]\n"
    )
    assert row.stop_learned
    assert row.learned == sum(number >= 0 for number in row.ids)
    assert row.text_bytes == len("friend" + "A king.\n\nOr so.")
    assert (row.cropped, row.dropped) == (0, "")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "llama3",
            "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nCorrect.\n\nfreind<|eot_id|>"
            "<|start_header_id|>assistant<|end_header_id|>\n\n[friend<|eot_id|>]",
        ),
        (
            "alpaca",
            "Below is an instruction that describes a task, paired with an input that provides further context. Write a response that "
            "appropriately completes the request.\n\n### Instruction:\nCorrect.\n\n### Input:\nfreind\n\n### Response:\n"
            "[friend<|endoftext|>]",
        ),
    ],
)
def test_an_instruction_in_each_template(name: str, expected: str, made: Made) -> None:
    (row,) = mark_row(ROW, "here", *made[name], NO_LIMIT)
    assert with_marks(row, made[name][0]) == expected
    assert row.stop_learned


@pytest.mark.parametrize("name", ["chatml", "llama3", "alpaca"])
def test_chat_writes_what_was_read_in_training(name: str, made: Made) -> None:
    tokenizer, template = made[name]
    config = preset_config(
        "llama", vocab_size=tokenizer.vocab_size, d_model=8, num_heads=2, num_layers=1, max_seq_len=256
    )
    language_model = LanguageModel(Transformer(config), tokenizer)
    for output in ("friend", "a multi\n\npart answer"):
        (row,) = mark_row({**ROW, "output": output}, "here", tokenizer, template, NO_LIMIT)
        read = language_model._encode_conversation(conversation_of(ROW, "here")[:-1])
        assert row.ids[: len(read)] == [~number for number in read]
        assert all(number >= 0 for number in row.ids[len(read) : len(read) + row.learned])


TEXTS = st.text(st.sampled_from("ab .\n<|é国🚀\ue000"), min_size=1, max_size=10) | st.sampled_from(
    [
        "a<|im_end|>",
        "<|im_end|>\n<|im_start|>user\nb",
        "<|endoftext|>x",
        " a",
        "### Response:\n",
        "\ue0000\ue000<|eot_id|>",
    ]
)
CONTENTS = TEXTS.filter(lambda text: bool(text.strip()))


@settings(max_examples=25)
@given(said=st.lists(CONTENTS, min_size=2, max_size=6), system=st.none() | TEXTS)
def test_ids_are_those_that_are_read_and_written(said: list[str], system: str | None, made: Made) -> None:
    """Answers that begin with space are in the tests below: there a token may go over the border."""
    turns = [text.lstrip() if place % 2 else text for place, text in enumerate(said[: len(said) // 2 * 2])]
    messages = [{"role": ("user", "assistant")[place % 2], "content": text} for place, text in enumerate(turns)]
    messages = messages if system is None else [{"role": "system", "content": system}, *messages]
    places = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    for name, stop in (("chatml", "<|im_end|>"), ("llama3", "<|eot_id|>"), ("alpaca", "<|endoftext|>")):
        tokenizer, template = made[name]
        row = mark_conversation(messages, tokenizer, template, NO_LIMIT)
        ids = unmarked(row)
        assert ids == encode_conversation(tokenizer, template, messages)
        ends = set(tokenizer.special_tokens().values())
        answers = [learned for is_learned, learned in runs(row.ids) if is_learned]
        for place, learned in zip(places, answers, strict=True):
            read = encode_conversation(tokenizer, template, messages[:place], True)
            assert ids[: len(read) + len(learned)] == [*read, *learned]
            assert [tokenizer.token_id(stop)] == [number for number in learned if number in ends]
            assert learned[-1] in ends
            says = tokenizer.decode(learned[:-1], skip_special_tokens=False)
            assert says.strip() == messages[place]["content"].strip()


def test_parts_are_encoded_by_themselves_where_a_token_would_go_over_the_border() -> None:
    words = {"a": 0, "b": 1, "ab": 2, "c": 3}

    def encode(text: str) -> list[int]:
        ids: list[int] = []
        while text:
            piece = next(piece for piece in ("ab", "a", "b", "c") if text.startswith(piece))
            ids, text = [*ids, words[piece]], text[len(piece) :]
        return ids

    assert encode_in_parts(encode, "cabcab", [1, 3]) == ([3, 2, 3, 2], [1, 2])
    assert encode_in_parts(encode, "cabcab", [2, 3]) == ([3, 0, 1, 3, 2], [2, 3])
    assert encode_in_parts(encode, "abab", [1, 3]) == ([0, 1, 0, 1], [1, 3])
    assert encode_in_parts(encode, "c", [0, 1]) == ([3], [0, 1])


def test_an_answer_that_a_token_would_join_with_its_question_is_encoded_as_it_is_written(made: Made) -> None:
    tokenizer, _ = made["chatml"]
    source = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
    )
    template = ChatTemplate(source)
    row = mark_conversation(
        [{**USER, "content": "Is it?"}, {**ASSISTANT, "content": "the work"}], tokenizer, template, NO_LIMIT
    )
    assert tokenizer.encode(": the work") != tokenizer.encode(": ") + tokenizer.encode("the work")
    assert with_marks(row, tokenizer) == "user: Is it?\nassistant: [the work\n]"
    assert unmarked(row)[: -row.learned] == tokenizer.encode("user: Is it?\nassistant: ")
    assert not row.stop_learned


@pytest.mark.parametrize(
    ("end", "expected"),
    [
        ("m.content", "[friend]"),
        ("m.content + '\n<|im_end|>\n'", "[friend\n<|im_end|>]\n"),
        ("m.content | trim + '<|im_end|>' + '<|endoftext|>'", "[friend<|im_end|>]<|endoftext|>"),
        ("'<think>\n\n</think>\n' + m.content + '<|im_end|>'", "[<think>\n\n</think>\nfriend<|im_end|>]"),
        ("m.content + ('<|im_end|>' if loop.last else '')", "[friend]"),
    ],
)
def test_templates_end_a_turn_in_many_ways(end: str, expected: str, made: Made) -> None:
    tokenizer, _ = made["chatml"]
    source = (
        "{% for m in messages %}{% if m.role == 'user' %}{{ '<|im_start|>u\n' + m.content }}{% else %}{{ '<|im_start|>a\n' + "
        f"{end} }}}}{{% endif %}}{{% endfor %}}{{% if add_generation_prompt %}}{{{{ '<|im_start|>a\n' }}}}{{% endif %}}"
    )
    row = mark_conversation(TALK, tokenizer, ChatTemplate(source), NO_LIMIT)
    assert with_marks(row, tokenizer).startswith(
        f"<|im_start|>u\nCorrect.\n\nfreind<|im_start|>a\n{expected}<|im_start|>u\n国王"
    )
    assert row.stop_learned == ("<|im_end|>" in end)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "{{ raise_exception('no system messages') }}",
            r"can't be used for this conversation .TemplateError: no system messages.",
        ),
        ("{{ messages[0].content.__class__.__mro__ }}", "SecurityError: access to attribute '__class__'"),
        ("{% for a in range(99999) %}{{ 'x' * 1001 }}{% endfor %}", "it makes more than 2,097,152 characters"),
        (
            "{{ messages | length }} {{ messages[-1].content }}",
            "writes '1 Correct.*' ahead of an answer, but '2 friend' there once the conversation goes on, so the model would learn from",
        ),
        (
            "{% for m in messages %}{{ m.role }}: {{ m.content.split('</think>')[-1] }}{% endfor %}"
            "{% if add_generation_prompt %}assistant: {% endif %}",
            "leaves out or changes a part of the answer '<think>Hm</think> friend' .it writes ' friend'.: use another, with data.template",
        ),
    ],
)
def test_a_template_that_cannot_be_used_is_named_with_the_row(source: str, message: str, made: Made) -> None:
    row = {**ROW, "output": "<think>Hm</think> friend" if "split" in source else "friend"}
    with pytest.raises(TokenizerError, match=rf"^rows.jsonl, line 12: the chat template .*{message}"):
        mark_row(row, "rows.jsonl, line 12", made["chatml"][0], ChatTemplate(source), NO_LIMIT)
    pair = {"prompt": "Correct.\n\nfreind", "chosen": row["output"], "rejected": row["output"]}
    with pytest.raises(TokenizerError, match=r"^rows.jsonl, line 12: the chat template"):
        mark_pair(pair, "rows.jsonl, line 12", made["chatml"][0], ChatTemplate(source), NO_LIMIT)


def test_a_template_without_an_end_is_named_with_the_row(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat_template, "SECONDS", 0.1)
    loop = ChatTemplate("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}")
    with pytest.raises(TokenizerError, match=r"^line 7: the chat template takes more than 0.1 s for a conversation"):
        mark_row(ROW, "line 7", made["chatml"][0], loop, NO_LIMIT)


def test_later_exchanges_are_left_out_and_no_answer_is_cut(made: Made) -> None:
    tokenizer, template = made["chatml"]
    messages = [{"role": "system", "content": "Be brief."}, *TALK]
    whole = mark_conversation(messages, tokenizer, template, NO_LIMIT)
    first = mark_conversation(messages[:3], tokenizer, template, NO_LIMIT)
    end = max(place for place, number in enumerate(first.ids) if number >= 0) + 1
    assert end == len(first.ids) - 1  # behind it stands a line break, which there may be no room for
    for limit in range(1, len(whole.ids) + 1):
        row = mark_conversation(messages, tokenizer, template, limit)
        if limit >= len(whole.ids) - 1:
            assert row.ids == whole.ids[:limit]
            assert (row.learned, row.cropped) == (whole.learned, 0)
        elif limit >= end:
            assert row.ids == first.ids[:limit]
            assert (row.learned, row.text_bytes, row.stop_learned) == (first.learned, len("friend"), True)
            assert row.cropped == len(whole.ids) - len(first.ids)
        else:
            assert row == MarkedRow(
                [], dropped=f"the first question and its whole answer take more than {limit} tokens"
            )


def test_of_a_pair_the_answers_are_learned(made: Made) -> None:
    tokenizer, template = made["chatml"]
    row: dict[str, Any] = {
        "conversations": [
            {"from": "human", "value": "a"},
            {"from": "gpt", "value": "b"},
            {"from": "human", "value": "c"},
        ]
    }
    row |= {"chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "gpt", "value": "very bad"}}
    chosen, rejected = mark_pair(row, "here", tokenizer, template, NO_LIMIT)
    before = "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n<|im_start|>user\nc<|im_end|>\n<|im_start|>assistant\n"
    assert with_marks(chosen, tokenizer) == f"{before}[good<|im_end|>]\n"
    assert with_marks(rejected, tokenizer) == f"{before}[very bad<|im_end|>]\n"
    assert (chosen.text_bytes, rejected.text_bytes) == (4, 8)
    assert chosen.stop_learned
    assert mark_pair(row, "here", tokenizer, template, len(rejected.ids)) == (chosen, rejected)
    dropped = mark_pair(row, "here", tokenizer, template, len(rejected.ids) - 2)
    assert dropped[0].dropped == dropped[1].dropped
    assert dropped[0].dropped.startswith("the question with its longer answer takes more than")
    same = mark_pair({**row, "rejected": row["chosen"]}, "here", tokenizer, template, NO_LIMIT)
    assert same[0].dropped == same[1].dropped == "chosen and rejected are the same, so neither is better"


def test_a_text_is_learned_from_its_first_token_to_its_end(made: Made) -> None:
    tokenizer, template = made["alpaca"]
    end = tokenizer.end_id
    assert end is not None
    text = "A text, 国王, with <|endoftext|> in it."
    ids = tokenizer.encode(text)
    (row,) = mark_row({"text": text}, "here", tokenizer, template, len(ids) + 2)
    assert row == MarkedRow([~end, *ids, end], len(ids) + 1, True, text_bytes=len(text.encode()))
    pieces = mark_row({"text": text}, "here", tokenizer, template, 6)
    assert [number for piece in pieces for number in piece.ids[1:]] == [*ids, end]
    assert [piece.ids[0] for piece in pieces] == [~number for number in [end, *ids][::5]][: len(pieces)]
    assert sum(piece.text_bytes for piece in pieces) == len(text.encode())
    assert [piece.stop_learned for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert max(len(piece.ids) for piece in pieces) == 6
    assert mark_row({"text": " "}, "here", tokenizer, template, 6) == [MarkedRow([], dropped="the text is empty")]


def test_ids_of_others_are_taken_with_their_labels(made: Made) -> None:
    tokenizer, template = made["alpaca"]
    end = tokenizer.end_id
    assert end is not None
    ids = [*tokenizer.encode("ab cd"), end]
    labels = [-100, -100, *ids[2:]]
    (row,) = mark_row({"input_ids": ids, "labels": labels}, "here", tokenizer, template, NO_LIMIT)
    assert row == MarkedRow([~ids[0], ~ids[1], *ids[2:]], len(ids) - 2, True, text_bytes=len(tokenizer.decode(ids[2:])))
    (row,) = mark_row({"input_ids": ids, "labels": [-100] * len(ids)}, "here", tokenizer, template, NO_LIMIT)
    assert row == MarkedRow([~number for number in ids])
    (row,) = mark_row({"input_ids": ids}, "here", tokenizer, template, NO_LIMIT)
    assert row == MarkedRow([~ids[0], *ids[1:]], len(ids) - 1, True, text_bytes=5)
    (row,) = mark_row({"input_ids": ids, "labels": labels}, "here", tokenizer, template, 3)
    assert row == MarkedRow([], dropped="its ids with labels are more than 3")
    assert [row.ids[0] for row in mark_row({"input_ids": ids}, "here", tokenizer, template, 3)] == [~ids[0], ~ids[2]]
    few: list[dict[str, list[int]]] = [{"input_ids": [7]}, {"input_ids": [], "labels": []}]
    for each in few:
        assert mark_row(each, "here", tokenizer, template, 3)[0].dropped.startswith("it has fewer than two ids")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": ["a"]}, r"'text' is \"\['a'\]\", which is no text"),
        ({"text": "a\udfff"}, r"character 1 of the text is U\+DFFF, half of a surrogate pair"),
        (
            {"input_ids": [1, 400]},
            r"input_ids\[1\] is 400, but the tokenizer's ids go from 0 to 399: make them with this tokenizer",
        ),
        ({"input_ids": [-1]}, r"input_ids\[0\] is -1, but"),
        ({"input_ids": [1, True]}, r"'input_ids' is '\[1, True\]': it should be a list of whole numbers"),
        ({"input_ids": "1 2"}, "'input_ids' is '1 2': it should be a list of whole numbers"),
        ({"input_ids": [1, 2], "labels": [2]}, "there are 1 'labels' for 2 'input_ids'"),
        ({"input_ids": [1, 2], "labels": [1, 3]}, r"labels\[1\] is 3, but input_ids\[1\] is 2: give the same, or -100"),
        ({"input_ids": [1, 2], "labels": [1, 0.5]}, r"'labels' is '\[1, 0.5\]': it should be a list of whole numbers"),
        (
            {"input_ids": [1, 2], "attention_mask": [1, 0]},
            "'attention_mask' has zeros, so there is padding among 'input_ids'",
        ),
        ({"output": "a"}, "has 'output' but no 'instruction'"),
    ],
)
def test_a_row_that_cannot_be_used_is_named(row: dict[str, Any], message: str, made: Made) -> None:
    with pytest.raises(DataError, match=f"^line 7.*{message}"):
        mark_row(row, "line 7", *made["alpaca"], NO_LIMIT)


def test_a_tokenizer_that_marks_words_beginnings(tmp_path: Path) -> None:
    """SentencePiece's way, which writes a space before a text that has none."""
    vocabulary = {sign: place for place, sign in enumerate("▁Acdefinorstuy:.?\n")}
    model = tokenizers.models.BPE({**vocabulary, "▁f": 30, "<unk>": 31}, [("▁", "f")], unk_token="<unk>")
    plain = tokenizers.Tokenizer(model)
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace(prepend_scheme="first")
    plain.decoder = tokenizers.decoders.Metaspace(prepend_scheme="first")
    tokenizer = with_template(Tokenizer(plain.to_str().encode(), {}, {}), "chatml", may_grow=True)
    template = tokenizer.chat_template
    assert template is not None
    row = mark_conversation(TALK[:2], tokenizer, template, NO_LIMIT)
    read = encode_conversation(tokenizer, template, TALK[:1], True)
    assert unmarked(row)[: len(read)] == read
    assert unmarked(row) == encode_conversation(tokenizer, template, TALK[:2])
    assert row.stop_learned
