"""What a small model that follows instructions does with the everyday tasks, scored on small sets of our own.

    .venv/bin/python -m benchmarks.applications.run --model smollm2-135m-instruct [--output FILE]

The rows (`sets/*.jsonl`) were written for this, each with its answer. Each task's prompt is that of `groundup.language_model.applications`,
examples to go on with. It was chosen on the rows for development, where it stands beside an instruction in a chat, and is scored on the
held-out rows. Beside it stands what needs no model: the commonest answer, a copy, the first sentence.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.applications import scoring
from benchmarks.result import output_file, show, write

from groundup.language_model import LanguageModel, applications

SETS = Path(__file__).parent / "sets"
Row = Mapping[str, Any]
Scores = dict[str, float]
COLUMNS = {"task": "", "who": "", "rows": "rows", "measures": ""}


@dataclass(frozen=True)
class Task:
    """An application with its rows."""

    prompt: Callable[[Row], str]
    """A text to go on with, up to the end of a line."""
    instruction: str
    """What is said in a chat instead; empty for none."""
    reference: Callable[[Row], str]
    max_new_tokens: int
    score: Callable[[Sequence[str], Sequence[Row]], Scores]
    baseline: str
    """What the baseline does."""
    guess: Callable[[Sequence[Row]], list[str]]


def rows_of(name: str, part: str) -> list[Row]:
    """The rows of a set, of its part `development` or `held out`."""
    lines = (SETS / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if row["part"] == part]


def mean(scores: Sequence[float]) -> float:
    return sum(scores) / len(scores)


def by_row(measures: Mapping[str, Callable[[str, str], float]], key: str) -> Callable[..., Scores]:
    """Measures of one reply beside one reference, as the mean over the rows."""

    def score(replies: Sequence[str], rows: Sequence[Row]) -> Scores:
        pairs = [(reply, str(row[key])) for reply, row in zip(replies, rows, strict=True)]
        return {name: mean([measure(*pair) for pair in pairs]) for name, measure in measures.items()}

    return score


def same_label(reply: str, reference: str) -> float:
    """Of `positive` and `negative`, the reply names this one first."""
    return float(scoring.first_of(("positive", "negative"), reply) == reference)


def same_first_word(reply: str, reference: str) -> float:
    return float(scoring.first_word(reply) == scoring.first_word(reference))


def entity_text(row: Row) -> str:
    """A row's answer as the reply should be."""
    return "; ".join(f"{kind}: {', '.join(row[kind]) or 'none'}" for kind in ("people", "places"))


def score_entities(replies: Sequence[str], rows: Sequence[Row]) -> Scores:
    wanted = [scoring.read_entities(entity_text(row)) for row in rows]
    return {"F1": scoring.entity_f1([scoring.read_entities(reply) for reply in replies], wanted)}


def commonest(key: str) -> Callable[[Sequence[Row]], list[str]]:
    """The commonest answer of these rows, for each."""
    return lambda rows: [Counter(str(row[key]) for row in rows).most_common(1)[0][0]] * len(rows)


def capitalized(rows: Sequence[Row]) -> list[str]:
    """Whatever is written with a capital letter, after the first word, is a place."""
    runs = [re.findall(r"[A-Z]\w+(?: [A-Z]\w+)*", row["text"].partition(" ")[2]) for row in rows]
    return [f"places: {', '.join(found) or 'none'}" for found in runs]


def sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s", text)


def likest_sentence(rows: Sequence[Row]) -> list[str]:
    """The sentence of the text that has most words in common with the question."""

    found = []
    for row in rows:
        asked = {*scoring.words(row["question"])}
        common = [(len(asked & {*scoring.words(sentence)}), sentence) for sentence in sentences(row["text"])]
        found.append(max(common, key=lambda pair: pair[0])[1])
    return found


TASKS: dict[str, Task] = {
    "sentiment": Task(
        lambda row: applications.sentiment(row["text"]),
        "Is this review positive or negative? Answer with one word.",
        lambda row: row["label"],
        4,
        by_row({"accuracy": same_label}, "label"),
        "the commonest answer",
        commonest("label"),
    ),
    "entities": Task(
        lambda row: applications.entities(row["text"]),
        "List the people and the places that the sentence names, as: people: A, B; places: C. Write none where there are none.",
        entity_text,
        40,
        score_entities,
        "all capitalized words are places",
        capitalized,
    ),
    "answering": Task(
        lambda row: applications.answer(row["text"], row["question"]),
        "Answer the question with a few words of the text.",
        lambda row: row["answer"],
        24,
        by_row({"exact match": scoring.exact, "word F1": scoring.word_f1}, "answer"),
        "the sentence most like the question",
        likest_sentence,
    ),
    "translating": Task(
        lambda row: applications.translate(row["text"]),
        "Translate from English to French.",
        lambda row: row["translation"],
        40,
        lambda replies, rows: {"chrF": scoring.chrf(replies, [row["translation"] for row in rows])},
        "the English copied",
        lambda rows: [row["text"] for row in rows],
    ),
    "summarizing": Task(
        lambda row: applications.summarize(row["text"]),
        "Summarize the text in one sentence.",
        lambda row: row["summary"],
        60,
        by_row({"ROUGE-L": scoring.rouge_l}, "summary"),
        "the first sentence",
        lambda rows: [sentences(row["text"])[0] for row in rows],
    ),
    "completing": Task(
        lambda row: row["text"],
        "",
        lambda row: row["word"],
        4,
        by_row({"accuracy": same_first_word}, "word"),
        "the commonest answer",
        commonest("word"),
    ),
}


def write_on(language_model: LanguageModel, task: Task, row: Row) -> str:
    """What the model writes behind the prompt, always its likeliest token."""
    fields: dict[str, Any] = {"temperature": 0.0, "max_new_tokens": task.max_new_tokens, "stop": "\n"}
    return language_model.generate(task.prompt(row), **fields).strip()


def chat(language_model: LanguageModel, task: Task, row: Row) -> str:
    """What it replies to the instruction."""
    question = f"\nQuestion: {row['question']}" if "question" in row else ""
    message = {"role": "user", "content": f"{task.instruction}\n\n{row['text']}{question}"}
    return language_model.chat([message], temperature=0.0, max_new_tokens=task.max_new_tokens).strip()


def measure(language_model: LanguageModel, name: str) -> dict[str, Any]:
    """Scores on the rows for development, and scores and replies on those held out."""
    task = TASKS[name]
    rows, development = rows_of(name, "held out"), rows_of(name, "development")
    forms = {"examples": write_on, **({"instruction": chat} if task.instruction else {})}
    tried = {
        form: task.score([way(language_model, task, row) for row in development], development)
        for form, way in forms.items()
    }
    replies = [write_on(language_model, task, row) for row in rows]
    return {
        "task": name,
        "rows": len(rows),
        "model": task.score(replies, rows),
        "baseline": {"what": task.baseline, **task.score(task.guess(rows), rows)},
        "development": tried,
        "replies": [
            {
                "row": {key: value for key, value in row.items() if key != "part"},
                "reply": said,
                "right": task.reference(row),
            }
            for row, said in zip(rows, replies, strict=True)
        ],
    }


def shown(scores: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value:.2f}" for name, value in scores.items() if name != "what")


def main() -> None:
    parser = argparse.ArgumentParser(description="Everyday tasks, with a small model that follows instructions.")
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--tasks", nargs="+", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    language_model = LanguageModel.load(arguments.model, device="cpu")
    results = []
    for name in arguments.tasks:
        results.append(measure(language_model, name))
        print(name, shown(results[-1]["model"]), results[-1]["development"], flush=True)
        write(arguments.output, "benchmarks.applications.run", None, {"model": arguments.model, "tasks": results})
    table = []
    for result in results:
        table.append({**result, "who": "the model", "measures": shown(result["model"])})
        table.append({"who": result["baseline"]["what"], "measures": shown(result["baseline"])})
    show(f"{arguments.model}: held-out rows, higher is better", COLUMNS, table, {})


if __name__ == "__main__":
    main()
