"""How each project's model is measured and asked: as its page does it, so that the page's own run is one more row."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fill_domain import ANSWER_TOKENS, GENERAL, GENERAL_DOCUMENTS, document_losses, documents, perplexity

from benchmarks.completion.places import find_places
from benchmarks.completion.run import MAX_NEW_TOKENS, NETWORK, files_of, next_token_accuracy
from groundup.language_model import LanguageModel
from groundup.recipe.evaluate import data_of_run, evaluate
from groundup.recipe.evaluate_languages import as_plain, evaluate_languages
from groundup.recipe.settings import load_recipe
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents

ROOT = Path(__file__).parents[2]
PAGES, RESULTS = ROOT / "docs" / "projects", ROOT / "benchmarks" / "results"
PROMPT, CHARACTERS = "ROMEO:\n", 300
PLACES, PLACES_SHOWN = 600, 5  # the page's own, and the first of them
LANGUAGES_SHOWN = ("en", "de")
Row = dict[str, Any]


@dataclass(frozen=True)
class Project:
    """One project: how a finished run of it is measured, and what its page says of the whole training."""

    shares: str
    """Of the steps, those that are trained here."""
    measure: Callable[[Path], Row]
    """A run's figures and samples: part of a row."""
    whole: Callable[[], Row | None]
    """The row of the whole training, measured earlier; None where it is trained here."""
    figure: str
    """The key of the figure that is drawn."""
    axis: str
    """What that is, in words."""


def play(run: Path) -> Row:
    """Of a model of plays: its validation figures, the next character, what counting gives, and a sample."""
    model = LanguageModel.load(run, device="cpu")
    prepared, _ = data_of_run(run, "name", print)
    found = evaluate(run, metrics=("ngram_bits_per_byte",), say=print)
    return {
        **_validation(run),
        "accuracy": next_token_accuracy(model.model, prepared.validation.ids),
        "without": found["ngram_bits_per_byte"],
        "samples": [[PROMPT, model.generate(PROMPT, temperature=0.8, max_new_tokens=CHARACTERS, seed=1)]],
    }


def code(run: Path) -> Row:
    """Of a model of Python: its validation figures, the next token, and the first lines that the page's places ask for."""
    model = LanguageModel.load(run, device="cpu")
    prepared, _ = data_of_run(run, "name", print)
    settings = load_recipe(str(run / RECIPE_FILE))
    _, held_out = files_of(settings, RunDirectory(run).working_folder())
    places = find_places(held_out, PLACES, seed=1)[:PLACES_SHOWN]
    written = [model.complete(place.prefix, "", True, max_new_tokens=MAX_NEW_TOKENS) for place in places]
    return {
        **_validation(run),
        "accuracy": next_token_accuracy(model.model, prepared.validation.ids),
        "samples": [[before(place.prefix.split("\n")[-4:]), line] for place, line in zip(places, written, strict=True)],
    }


def languages(run: Path) -> Row:
    """Of a model in several languages: bits per byte of each, of all by their bytes, and the first sample of two."""
    return weighed(as_plain(evaluate_languages(run, num_samples=1, say=print)))


def domain(run: Path) -> Row:
    """Of an adapted model: perplexity on held-out documents and on general text, and the page's first answers."""
    prepared, settings = data_of_run(run, "name", print)
    model, window = LanguageModel.load(run), settings.model.max_seq_len
    articles = read_documents(DataSettings(source=GENERAL), cache_directory(), print)[:GENERAL_DOCUMENTS]
    texts = {
        "domain": documents(prepared.validation.ids, prepared.validation.ends),
        "general": [prepared.tokenizer.encode_array(article.text)[:window] for article in articles],
    }
    prompts = _read(PAGES / "domain.json")["prompts"][:2]
    answers = [model.generate(prompt, temperature=0.0, max_new_tokens=ANSWER_TOKENS) for prompt in prompts]
    return {
        **{
            kind: perplexity(document_losses(model.model, own, window), sum(len(ids) - 1 for ids in own))
            for kind, own in texts.items()
        },
        "samples": [list(pair) for pair in zip(prompts, answers, strict=True)],
    }


def before(lines: Sequence[str]) -> str:
    """The lines that stand before the cursor, without empty ones and without the indentation where it is."""
    return "\n".join(line for line in lines if line.strip())


def whole_code() -> Row:
    """The page's run of the recipe python-code, as `benchmarks.completion.run` measured it."""
    found, training = _read(RESULTS / "completion.json"), load_recipe("python-code").training
    network, counted = (
        next(row for row in found["rows"] if row["who"] == who) for who in (NETWORK, "n-grams of tokens")
    )
    tokens = training.max_steps * training.batch_size * load_recipe("python-code").model.max_seq_len
    samples = [[before(sample["before"]), sample[NETWORK]] for sample in found["samples"][:PLACES_SHOWN]]
    figures = {key: network[key] for key in ("bits_per_byte", "accuracy")}
    return {"share": "1", "steps": training.max_steps, "tokens": tokens, "seconds": None, **figures,
            "without": counted["bits_per_byte"], "samples": samples}  # fmt: skip


def whole_languages() -> Row:
    """The page's run of the recipe multilingual."""
    found = _read(PAGES / "multilingual.json")
    taken = {key: found[key] for key in ("steps", "tokens", "seconds")}
    return {"share": "1", **taken, **weighed(found["languages"])}


def whole_domain() -> Row:
    """The first of the page's runs of the recipe domain."""
    found = _read(PAGES / "domain.json")
    run, answers = found["runs"][0], zip(found["prompts"], found["answers_after"], strict=True)
    taken = {key: run[key] for key in ("steps", "tokens", "seconds")}
    samples = [list(pair) for pair in answers][:2]
    return {"share": "1", **taken, **run["perplexity"], "without": found["before"]["domain"], "samples": samples}


def _validation(run: Path) -> Row:
    found = RunDirectory(run).result()["validation"]
    return {key: found[key] for key in ("loss", "bits_per_byte")}


def weighed(found: Mapping[str, Any]) -> Row:
    """All languages together, weighed by their bytes: the bits that all held-out text takes, for each of its bytes."""
    total = sum(one["bytes"] for one in found.values())
    together = {key: sum(one[key] * one["bytes"] for one in found.values()) / total for key in ("bits_per_byte", "bar")}
    own = {language: one["bits_per_byte"] for language, one in found.items()}
    samples = [[language, found[language]["samples"][0]] for language in LANGUAGES_SHOWN if language in found]
    return {"bits_per_byte": together["bits_per_byte"], **own, "without": together["bar"], "samples": samples}


def _read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


BITS = "bits per byte of held-out text; lower is better"
PROJECTS = {
    "shakespeare": Project("1/4,1/2,1", play, lambda: None, "bits_per_byte", BITS),
    "python-code": Project("1/32,1/8", code, whole_code, "bits_per_byte", BITS),
    "multilingual": Project("1/16,1/4", languages, whole_languages, "bits_per_byte", BITS),
    "domain": Project(
        "1/8,1/4,1/2", domain, whole_domain, "domain", "perplexity of held-out documents; lower is better"
    ),
}
