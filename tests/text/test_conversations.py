"""Rows of each format become the same conversation; one that is not whole is named, with its field and its value."""

from __future__ import annotations

from typing import Any

import pytest

from groundup.errors import DataError
from groundup.text.conversations import Pair, conversation_of, kind_of_row, preference_of

USER = {"role": "user", "content": "Correct.\n\nfreind"}
ASSISTANT = {"role": "assistant", "content": "friend"}
SYSTEM = {"role": "system", "content": "Be brief."}
HUMAN, GPT = {"from": "human", "value": "Correct.\n\nfreind"}, {"from": "gpt", "value": "friend"}
ROWS: dict[str, dict[str, Any]] = {
    "alpaca": {"instruction": "Correct.", "input": "freind", "output": "friend"},
    "alpaca without an input": {"instruction": "Correct.\n\nfreind", "output": "friend"},
    "alpaca with an empty input": {"instruction": "Correct.\n\nfreind", "input": " ", "output": "friend"},
    "alpaca with a null input": {"instruction": "Correct.\n\nfreind", "input": None, "output": "friend"},
    "alpaca as published, with its text": {
        "instruction": "Correct.",
        "input": "freind",
        "output": "friend",
        "text": "Below …",
    },
    "texts": {"prompt": "Correct.\n\nfreind", "completion": "friend"},
    "lists of messages": {"prompt": [USER], "completion": [ASSISTANT]},
    "messages": {"messages": [USER, ASSISTANT]},
    "messages with more beside them": {"messages": [{**USER, "name": "Ann"}, ASSISTANT], "prompt": "Correct.", "id": 7},
    "sharegpt": {"conversations": [HUMAN, GPT]},
    "sharegpt with other names": {"conversations": [{**HUMAN, "from": "user"}, {**GPT, "from": "assistant"}]},
    "columns of a table that are not of this row": {"messages": [USER, ASSISTANT], "prompt": None, "completion": None},
    "sharegpt, system empty": {"conversations": [HUMAN, GPT], "system": ""},
    "what is preferred beside it": {
        "instruction": "Correct.",
        "input": "freind",
        "output": "friend",
        "chosen": "a",
        "rejected": "b",
    },
}


@pytest.mark.parametrize("name", list(ROWS))
def test_every_format_says_the_same(name: str) -> None:
    assert conversation_of(ROWS[name], "here") == (USER, ASSISTANT)
    assert kind_of_row(ROWS[name]) == ("preference" if "chosen" in ROWS[name] else "conversation")


@pytest.mark.parametrize(
    "row",
    [
        {"messages": [SYSTEM, USER, ASSISTANT, USER, ASSISTANT]},
        {"messages": [USER, ASSISTANT, USER, ASSISTANT], "system": "Be brief."},
        {"conversations": [HUMAN, GPT, HUMAN, GPT], "system": "Be brief."},
        {"conversations": [{"from": "system", "value": "Be brief."}, HUMAN, GPT, HUMAN, GPT]},
        {"prompt": [SYSTEM, USER, ASSISTANT, USER], "completion": "friend"},
    ],
)
def test_a_system_message_stands_first_and_turns_may_be_many(row: dict[str, Any]) -> None:
    assert conversation_of(row, "here") == (SYSTEM, USER, ASSISTANT, USER, ASSISTANT)


def test_an_empty_system_message_among_messages_stays_one() -> None:
    empty = {"role": "system", "content": ""}
    assert conversation_of({"messages": [empty, USER, ASSISTANT]}, "here") == (empty, USER, ASSISTANT)


PAIR = Pair((USER,), "friend", "fiend")
BRIEF = {"system": "Be brief."}
BAD = {"role": "assistant", "content": "fiend"}


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": "Correct.\n\nfreind", "chosen": "friend", "rejected": "fiend"},
        {"prompt": [USER], "chosen": [ASSISTANT], "rejected": [BAD]},
        {"instruction": "Correct.", "input": "freind", "output": "frend", "chosen": "friend", "rejected": "fiend"},
        {"conversations": [HUMAN], "chosen": GPT, "rejected": {"from": "gpt", "value": "fiend"}},
        {"chosen": [USER, ASSISTANT], "rejected": [USER, BAD]},
        {  # as UltraFeedback writes it
            "prompt": "Correct.\n\nfreind",
            "messages": [USER, ASSISTANT],
            "chosen": [USER, ASSISTANT],
            "rejected": [USER, BAD],
            "score_chosen": 8.5,
        },
    ],
)
def test_every_format_of_a_preference_says_the_same(row: dict[str, Any]) -> None:
    assert kind_of_row(row) == "preference"
    assert preference_of(row, "here") == PAIR


def test_a_preference_may_come_late_in_a_conversation() -> None:
    row = {"conversations": [HUMAN, GPT, HUMAN], "system": "Be brief.", "chosen": "friend", "rejected": "fiend"}
    assert preference_of(row, "here") == Pair((SYSTEM, USER, ASSISTANT, USER), "friend", "fiend")


@pytest.mark.parametrize(
    "row",
    [
        {"chosen": [USER, ASSISTANT], "rejected": [USER, BAD]},
        {"prompt": USER["content"], "chosen": [USER, ASSISTANT], "rejected": [USER, BAD]},
        {"prompt": [USER], "chosen": [SYSTEM, USER, ASSISTANT], "rejected": [SYSTEM, USER, BAD]},
    ],
)
def test_the_system_field_of_a_preference_stands_before_whole_conversations(row: dict[str, Any]) -> None:
    assert preference_of({**row, **BRIEF}, "here") == Pair((SYSTEM, USER), "friend", "fiend")


def test_texts_and_ids_are_rows_too() -> None:
    assert kind_of_row({"text": "A sentence.", "id": "7"}) == "text"
    assert kind_of_row({"input_ids": [1, 2], "text": "A sentence."}) == "input_ids"


def test_a_format_whose_fields_are_empty_is_none_beside_another() -> None:
    row = {**ROWS["alpaca"], "prompt": "", "completion": "", "messages": []}
    assert conversation_of(row, "here") == conversation_of(ROWS["alpaca"], "here")


def test_a_preference_has_no_answer_to_learn() -> None:
    message = '^here is a preference, .*: use training.objective="preference"'
    with pytest.raises(DataError, match=message):
        conversation_of({"prompt": "a", "chosen": "b", "rejected": "c"}, "here")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"instruction": "a", "output": None, "text": "the whole prompt"}, "has 'instruction' but no 'output' .it is null."),
        ({}, "holds nothing, none with a value that is read: name the fields 'instruction' and 'output'; 'prompt'"),
        ({"question": "a", "answer": "b", "text": None}, "holds 'question', 'answer', 'text', none with a value that is read"),
        ({"instruction": "a", "input": "b"}, "has 'instruction' but no 'output' .it is missing.: add it"),
        ({"instruction": "a", "output": None}, "has 'instruction' but no 'output' .it is null."),
        ({"completion": "a"}, "has 'completion' but no 'prompt'"),
        ({"messages": [USER, ASSISTANT], "conversations": [HUMAN, GPT]}, "holds both 'messages' and 'conversations': keep one"),
        ({**ROWS["alpaca"], "messages": [USER, ASSISTANT]}, "holds both 'instruction' and 'output' and 'messages'"),
        ({"messages": [USER, ASSISTANT], "input_ids": [1]}, "holds both 'messages' and 'input_ids'"),
        ({"text": "a"}, "holds 'text', which is no conversation"),
        ({"instruction": 7, "output": "b"}, "'instruction' is 7, a number: it should be a text"),
        ({"instruction": ["a"], "output": "b"}, r"'instruction' is \['a'\], a list: it should be a text"),
        ({"instruction": "a", "input": {"b": 1}, "output": "c"}, "'input' is {'b': 1}, an object: it should be a text"),
        ({"instruction": "a", "output": True}, "'output' is True, true or false: it should be a text"),
        ({"instruction": "a", "output": " \n"}, r"'output' is ' \\n', so there is no answer to learn: fill it in"),
        ({"instruction": " ", "output": "b"}, "'instruction' is ' ', so there is nothing to answer"),
        ({"instruction": "a\ud800", "output": "b"}, r"'instruction' holds U\+D800 at character 1, half of a surrogate pair"),
        ({"instruction": "a", "output": "b", "system": 3}, "'system' is 3, a number"),
        ({"messages": "[{'role': …"}, r"""'messages' is "\[\{'role': …", a text: it should be a list of messages"""),
        ({"messages": []}, "'messages' is an empty list: add messages"),
        ({"messages": {"role": "user"}}, "'messages' is {'role': 'user'}, an object: it should be a list of messages"),
        ({"messages": [USER, "friend"]}, r"messages\[1\] is 'friend', a text: write a message, with 'role' and 'content'"),
        ({"messages": [USER, None]}, r"messages\[1\] is null: write a message"),
        ({"messages": [USER, {"role": "assistant"}]}, r"messages\[1\] has no 'content' .it is missing."),
        ({"messages": [USER, {"role": "assistant", "content": None}]}, r"messages\[1\] has no 'content' .it is null."),
        ({"messages": [{"content": "a"}, ASSISTANT]}, r"messages\[0\] has no 'role' .it is missing.: a message is 'role' and"),
        ({"messages": [{**USER, "role": "tool"}]}, r"messages\[0\].role is 'tool', which is no role here: use system, user, h"),
        ({"messages": [{**USER, "role": ["user"]}]}, r"messages\[0\].role is \['user'\], which is no role here"),
        ({"messages": [{**USER, "content": [{"type": "text"}]}]}, r"'messages\[0\].content' is \[{'type': 'text'}\], a list"),
        ({"messages": [USER, {**ASSISTANT, "content": ""}]}, r"'messages\[1\].content' is '', so there is no answer to learn"),
        ({"messages": [ASSISTANT, USER]}, "the conversation begins with the assistant, 'friend': one of the user belongs there"),
        ({"messages": [SYSTEM, ASSISTANT]}, "the conversation begins with the assistant"),
        ({"messages": [SYSTEM]}, "holds a system message only: add the user's and the assistant's"),
        ({"messages": [USER, USER, ASSISTANT]}, "after the user's message comes one of the user, 'Correct"),
        ({"messages": [USER, ASSISTANT, SYSTEM, USER]}, "after the assistant's message comes one of the system, 'Be brief.': one of the u"),
        ({"messages": [USER, ASSISTANT, USER]}, "the last message is the user's, .*: end with the answer that is to be learned"),
        ({"messages": [SYSTEM, USER, ASSISTANT], "system": "b"}, "holds a 'system' field, 'b', and a system message: keep one"),
        ({"conversations": [{"from": "human"}, GPT]}, r"conversations\[0\] has no 'value' .it is missing.: a message is 'from' and"),
        ({"conversations": [{"from": "function_call", "value": "a"}]}, r"conversations\[0\].from is 'function_call'"),
        ({"conversations": [HUMAN], "chosen": GPT, "rejected": GPT}, 'train on pairs with training.objective="preference"'),
        ({"prompt": "a", "completion": [USER]}, "after the user's message comes one of the user"),
        ({"messages": [{**USER, "content": "x" * 10**6}]}, r"the last message is the user's, 'x{20,40}\.\.\.x{20,40}'"),
    ],
)  # fmt: skip
def test_a_conversation_that_is_not_whole_is_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(
        DataError, match=rf"^rows.jsonl, line 12(:| holds| has) .*{message.removeprefix('holds ').removeprefix('has ')}"
    ):
        conversation_of(row, "rows.jsonl, line 12")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"prompt": "a", "chosen": "b"}, "has no 'rejected' .it is missing.: a preference needs 'chosen' and 'rejected'"),
        ({"prompt": "a", "chosen": None, "rejected": "c"}, "has no 'chosen' .it is null."),
        ({"prompt": [SYSTEM], "chosen": "b", "rejected": "c"}, "has no question: add 'prompt'"),
        ({**BRIEF, "chosen": "b", "rejected": "c"}, "has no question: add 'prompt'"),
        ({"system": "a", "chosen": [SYSTEM, USER, ASSISTANT], "rejected": [USER, BAD]}, "'chosen' has another system message"),
        ({"chosen": "b", "rejected": "c"}, "has no question: add 'prompt', or 'conversations'"),
        ({"prompt": "a", "instruction": "b", "chosen": "b", "rejected": "c"}, "holds its question as 'instruction' and 'prompt'"),
        ({"prompt": "a", "chosen": "b", "rejected": ""}, "'rejected' is '', so there is no answer to learn"),
        ({"prompt": "a", "chosen": 1, "rejected": "c"}, "'chosen' is 1, a number: it should be a text, or a list"),
        ({"prompt": "a", "chosen": [USER], "rejected": "c"}, "'chosen' ends with a message of the user, .*: end with an answer"),
        ({"chosen": [USER, ASSISTANT], "rejected": [{**USER, "content": "b"}, BAD]}, "'chosen' and 'rejected' answer different"),
        ({"prompt": "a", "chosen": [USER, ASSISTANT], "rejected": [USER, BAD]}, "'chosen' answers another question than the row's"),
        ({"prompt": [USER, ASSISTANT], "chosen": "b", "rejected": "c"}, "after the assistant's message comes one of the assistant"),
        ({"conversations": [GPT], "chosen": "b", "rejected": "c"}, "the conversation begins with the assistant"),
    ],
)  # fmt: skip
def test_a_preference_that_is_not_whole_is_named(row: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=f"^line 3.*{message}"):
        preference_of(row, "line 3")
