"""Keep docs/projects/instruct.md true: measure a run of the recipe instruct, and fill the page's blocks from what was measured.

python scripts/fill_instruct.py runs/instruct    measure it into instruct.json, then fill the page
python scripts/fill_instruct.py                  fill the page from instruct.json as it is
python scripts/fill_instruct.py --check          change nothing; fail if the page is stale
"""

from __future__ import annotations

import json
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from project_page import facts_of, keep_true, text_block

if TYPE_CHECKING:
    from groundup.language_model import LanguageModel

ANSWERS_SHOWN = 10
MOST_TOKENS = 256  # of an answer; the longest that is held out has fewer
AT_ONCE = 8
KEYS = {"evidence", "answer"}
MEASURES = {
    "stops": "stops by itself",
    "format": "one line of JSON with the two fields, and nothing else",
    "quotes": "its evidence is a sentence, or part of one, from the text",
    "inside": "its answer stands in its evidence",
    "right_sentence": "its evidence is the sentence that tells",
    "exact": "its answer is the right one",
    "overlap": "words that its answer shares with the right one (F1)",
}


class Question(NamedTuple):
    """A held-out row."""

    ids: list[int]
    """All that stands before the answer, as the template has it."""
    passage: str
    asked: str
    right: str
    """The JSON that is right."""


def measure(runs: list[Path]) -> dict[str, Any]:
    """The model that the run began with beside what it became, on each held-out row."""
    from groundup.language_model import LanguageModel
    from groundup.recipe.base import open_base
    from groundup.recipe.settings import load_recipe
    from groundup.run.directory import RunDirectory

    [run] = runs
    settings, folder = load_recipe(str(run / "recipe.toml")), RunDirectory(run).working_folder()
    questions = held_out_questions(run)
    figures: dict[str, Any] = {"base": settings.model.base, "source": settings.data.source, "questions": len(questions)}
    figures |= {"run": facts_of(run), "rows": []}
    replies = {}
    for name, model in (("before", open_base(settings, folder)), ("after", LanguageModel.load(run))):
        print(f"asking, {name}")
        replies[name] = list(answers(model, questions))
        checked = [check(text, question) for (text, _), question in zip(replies[name], questions, strict=True)]
        figures[name] = {"stops": statistics.mean(stopped for _, stopped in replies[name])}
        figures[name] |= {kind: statistics.mean(one[kind] for one in checked) for kind in MEASURES if kind != "stops"}
    for question, (before, _), (after, _) in zip(questions, replies["before"], replies["after"], strict=True):
        row = {"asked": question.asked, "passage": question.passage, "right": question.right}
        figures["rows"].append({**row, "before": before, "after": after})
    return figures


def held_out_questions(run: Path) -> list[Question]:
    """The rows of the run's source that it did not train on, in the order of the source."""
    from groundup.recipe.data import prepare_recipe
    from groundup.recipe.settings import load_recipe
    from groundup.run.directory import RunDirectory
    from groundup.text.bad_input import BadInput
    from groundup.text.cache import cache_directory
    from groundup.text.conversations import conversation_of
    from groundup.text.source_rows import read_source_rows, with_catalogue_rows
    from groundup.text.sources import find_sources
    from groundup.tokens.conversation import encode_conversation
    from groundup.tokens.prepared_examples import PreparedExamples

    settings, folder, cache = (
        load_recipe(str(run / "recipe.toml")),
        RunDirectory(run).working_folder(),
        cache_directory(),
    )
    data = prepare_recipe(settings, folder, print)
    assert isinstance(data, PreparedExamples)
    assert data.tokenizer.chat_template is not None
    rows = map(data.validation.row, range(len(data.validation)))
    held_out = {tuple(row[: int((row >= 0).argmax())].tolist()) for row in rows}  # up to the answer
    questions = []
    sources = with_catalogue_rows(find_sources(settings.data, cache, print, folder), cache, print)
    for row in read_source_rows(sources, "rows are asked for", BadInput(True)):
        *before, answer = conversation_of(row.columns, row.place)
        ids = encode_conversation(data.tokenizer, data.tokenizer.chat_template, before, True)
        if tuple(~token for token in ids) in held_out:
            passage, _, asked = before[-1]["content"].rpartition("\n\nQuestion: ")
            questions.append(Question(ids, passage, asked, answer["content"]))
    assert len(questions) == len(data.validation)
    return questions


def answers(model: LanguageModel, questions: Sequence[Question]) -> Iterator[tuple[str, bool]]:
    """The likeliest answer to each question, and whether it ended by itself."""
    from groundup.generation.generation import Generation
    from groundup.generation.settings import GenerationSettings

    settings, tokenizer = GenerationSettings(max_new_tokens=MOST_TOKENS, temperature=0.0), model.tokenizer
    for begin in range(0, len(questions), AT_ONCE):
        prompts = [question.ids for question in questions[begin : begin + AT_ONCE]]
        written: list[list[int]] = [[] for _ in prompts]
        stopped = [False] * len(prompts)
        for tokens in Generation(model.model, prompts, settings, tokenizer.end_id):
            for token in tokens:
                if token.finish == "end":
                    stopped[token.row] = True
                else:
                    written[token.row].append(token.id)
        yield from zip(map(tokenizer.decode, written), stopped, strict=True)


def check(reply: str, question: Question) -> dict[str, float]:
    """What can be said of a reply. Of one that isn't in the format, all of it is taken for its answer."""
    right = json.loads(question.right)
    given = read_reply(reply)
    evidence, answer = (given["evidence"].strip(), given["answer"]) if given else ("", reply)
    return {
        "format": given is not None,
        "quotes": bool(evidence) and evidence in question.passage,
        "inside": given is not None and bool(answer.strip()) and answer in evidence,
        "right_sentence": evidence == right["evidence"],
        "exact": bare_words(answer) == bare_words(right["answer"]),
        "overlap": overlap(bare_words(answer), bare_words(right["answer"])),
    }


def read_reply(reply: str) -> dict[str, str] | None:
    """The two fields of a reply that is one line of JSON with just these; else None."""
    try:
        given = json.loads(reply) if "\n" not in reply.strip() else None
    except ValueError:
        return None
    if isinstance(given, dict) and set(given) == KEYS and all(isinstance(text, str) for text in given.values()):
        return given
    return None


def bare_words(text: str) -> list[str]:
    """Lower case, without marks and articles: how SQuAD compares answers (Rajpurkar et al. 2016)."""
    return [word for word in re.sub(r"[^\w\s]", "", text.lower()).split() if word not in ("a", "an", "the")]


def overlap(given: Sequence[str], right: Sequence[str]) -> float:
    """The harmonic mean of how much of what is given is right, and how much of what is right is given."""
    shared = (Counter(given) & Counter(right)).total()
    return 2 * shared / (len(given) + len(right)) if shared else 0.0


def run_line(figures: dict[str, Any]) -> str:
    """What the run took."""
    run = figures["run"]
    return (
        f"{run['steps']:,} steps, {run['tokens']:,} tokens, in {run['seconds'] / 60:.1f} minutes on {run['num_threads']} threads, "
        f"in {run['precision']}. {run['trainable']:,} numbers are learned beside the {run['parameters']:,} of the base."
    )


def measures_table(figures: dict[str, Any]) -> str:
    """Before and after, each measure a row."""
    lines = [f"| of {figures['questions']} held-out questions | before | after |", "|---|---:|---:|"]
    for kind, what in MEASURES.items():
        lines.append(f"| {what} | {figures['before'][kind]:.0%} | **{figures['after'][kind]:.0%}** |")
    return "\n".join(lines)


def shown_answers(figures: dict[str, Any]) -> str:
    """Ten questions, evenly spread over those held out, with what was written before and after."""
    parts = []
    step = max(1, len(figures["rows"]) // ANSWERS_SHOWN)
    for number, row in enumerate(figures["rows"][::step][:ANSWERS_SHOWN], start=1):
        passage = row["passage"]
        parts.append(
            f"**{number}. {row['asked']}** ({len(passage):,} characters of text, beginning “{passage[:60].strip()} …”)"
        )
        parts.append(f"Right:\n\n{text_block(row['right'])}")
        parts.append(f"Before:\n\n{text_block(row['before'])}")
        parts.append(f"After:\n\n{text_block(row['after'])}")
    return "\n\n".join(parts)


BLOCKS = {"run": run_line, "measures": measures_table, "answers": shown_answers}

if __name__ == "__main__":
    keep_true("instruct", measure, BLOCKS)
