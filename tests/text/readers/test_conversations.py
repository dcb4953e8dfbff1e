from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.text.readers.conversations import parse_conversations, read_conversations
from groundup.text.texts import Text

WriteArchive = Callable[[dict[str, Any]], Path]

# What each line becomes was taken from a YAML library's answer (PyYAML 6, BaseLoader), which agrees on all 7,202
# conversations of the real archive's well-formed files.
FOLDED = r"""
categories:
- AI
- robots
conversations:
- - What is AI?
  - It is a branch of science - and
    of engineering: see 'robots'.

- - "Say \"hi\""
  -  'It''s me: hi'
  - "two
    lines"
- -
  - only an answer
- - |
    Fix this:

    if x:
        y()
  - |-
    {
      "a": 1
    }
"""


def test_turns_of_each_kind() -> None:
    assert parse_conversations(FOLDED) == [
        ["What is AI?", "It is a branch of science - and of engineering: see 'robots'."],
        ['Say "hi"', "It's me: hi", "two lines"],
        ["only an answer"],
        ["Fix this:\n\nif x:\n    y()", '{\n  "a": 1\n}'],
    ]


def test_a_forgotten_dash_begins_a_conversation_all_the_same() -> None:
    """YAML itself reads question and answer as one string here."""
    content = "conversations:\n- - Where?\n  - Here\n- Who?\n  - Me\n"
    assert parse_conversations(content) == [["Where?", "Here"], ["Who?", "Me"]]


def test_topics_by_language(write_archive: WriteArchive) -> None:
    folder = "chatterbot_corpus/data"
    archive = write_archive(
        {
            f"{folder}/english/food.yml": "categories:\n- food\nconversations:\n- - Hungry?\n  - Yes\n- - Thirsty?\n  - No\n",
            f"{folder}/traditionalchinese/food.yml": "\ufeffcategories:\n- 食物\nconversations:\n- - 餓嗎？\n  - 餓\n",
            f"{folder}/english/empty.yml": "categories:\n- nothing\nconversations: []\n",
            f"{folder}/klingon/food.yml": "conversations:\n- - nuqneH\n",
        }
    )
    assert read_conversations(archive) == [
        Text("en/food", "Hungry?\nYes\n\nThirsty?\nNo\n\n", {"language": "en"}),
        Text("zh-Hant/food", "餓嗎？\n餓\n\n", {"language": "zh-Hant"}),
    ]
