"""What a run's model completes in files that it never saw, beside an n-gram model that counted the same training files.

    .venv/bin/python -m benchmarks.completion.run runs/python-code [--places 200] [--seed 1] [--output FILE]

`--places` statements' first lines, within functions, are drawn from the held-out files, and written anew, greedily, from the
file before them (for the network, once more with what stands after them). The n-gram models have order 5 and Kneser-Ney
smoothing; they count the training files as they are, not turned for filling in: one over the run's tokens, one over bytes.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.completion.baseline import complete_line
from benchmarks.completion.places import Place, find_places, is_exact, parses_in_place, parses_so_far
from benchmarks.result import at_least_one, output_file, show, write

from groundup.evaluation.ngram import END_BYTE, byte_ids, train_ngram_model
from groundup.generation.engine import evaluating
from groundup.language_model import LanguageModel
from groundup.language_model.complete import token_texts
from groundup.model.transformer import Transformer
from groundup.recipe.data import prepare_data
from groundup.recipe.measure import first_token_bytes, measure_validation
from groundup.recipe.settings import Recipe, load_recipe
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.collect import collect
from groundup.text.selection import select
from groundup.text.splits import plan_split
from groundup.tokens.plan import validation_windows

MAX_NEW_TOKENS = 64
SHOWN = 12
WINDOWS_AT_ONCE = 16
COLUMNS = {
    "who": "",
    "bits_per_byte": "bits per byte",
    "accuracy": "next token right",
    "exact": "line exact",
    "parses_so_far": "parses so far",
    "parses_in_place": "parses in place",
}


def files_of(settings: Recipe, folder: Path) -> tuple[list[str], list[str]]:
    """The run's training files and its held-out files, as they are."""
    store = collect(settings.data, cache_directory(), print, folder)
    split = plan_split(store, select(store, settings.data.duplicates), settings.data)
    train = [document.text for document in split.train_documents(store)]
    return train, [document.text for document in split.validation_documents(store)]


def next_token_accuracy(model: Transformer, ids: Any) -> float:
    """The share of tokens but the first that the network finds likeliest, in the windows that bits per byte are measured in."""
    right = total = 0
    with evaluating(model):
        for start, end in validation_windows(len(ids), model.config.max_seq_len, 0).tolist():
            window = torch.from_numpy(np.asarray(ids[start : end + 1]).astype(np.int64))
            guesses = model(window[None, :-1])[0].argmax(dim=-1)  # (T,)
            right += int((guesses == window[1:]).sum())
            total += end - start
    return right / total


def judge(places: Sequence[Place], lines: Sequence[str]) -> dict[str, float]:
    """The shares of lines that are exact and that parse."""
    checks: dict[str, Callable[[Place, str], bool]] = {
        "exact": is_exact,
        "parses_so_far": parses_so_far,
        "parses_in_place": parses_in_place,
    }
    return {name: sum(map(check, places, lines)) / len(places) for name, check in checks.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description="Completions of held-out lines, beside an n-gram model's.")
    parser.add_argument("run", type=Path, help="a finished run on source code")
    parser.add_argument("--places", type=at_least_one, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    settings, folder = load_recipe(str(arguments.run / RECIPE_FILE)), RunDirectory(arguments.run).working_folder()
    language_model = LanguageModel.load(arguments.run, device="cpu")
    model, tokenizer = language_model.model, language_model.tokenizer
    prepared = prepare_data(settings, folder, print)
    train, held_out = files_of(settings, folder)
    places = find_places(held_out, arguments.places, arguments.seed)

    ids, end_id = prepared.validation.ids, tokenizer.end_id
    end = [] if end_id is None else [end_id]
    counted = np.concatenate([[*tokenizer.encode(text), *end] for text in train])
    ngrams = train_ngram_model(counted, tokenizer.vocab_size, end_id)
    num_bytes = prepared.validation.num_bytes - first_token_bytes(tokenizer, ids, prepared.validation.first_piece)
    texts = token_texts(tokenizer, tokenizer.vocab_size)

    def complete(place: Place, suffix: str = "") -> str:
        return language_model.complete(place.prefix, suffix, line=True, max_new_tokens=MAX_NEW_TOKENS)

    lines = {
        "network, prefix": [complete(place) for place in places],
        "network, prefix and suffix": [complete(place, place.suffix) for place in places],
        "n-grams of tokens": [
            complete_line(ngrams, tokenizer, texts, place.prefix, MAX_NEW_TOKENS) for place in places
        ],
        "the line itself": [place.line for place in places],
    }
    whole: dict[str, dict[str, float | None]] = {
        "network, prefix": {
            "bits_per_byte": measure_validation(model, prepared, settings.evaluation.batch_size).bits_per_byte,
            "accuracy": next_token_accuracy(model, ids),
        },
        "n-grams of tokens": {"bits_per_byte": ngrams.bits_per_byte(ids, num_bytes), "accuracy": ngrams.accuracy(ids)},
    }
    rows: list[dict[str, Any]] = [{"who": who, **whole.get(who, {}), **judge(places, lines[who])} for who in lines]
    del ngrams
    held_bytes = byte_ids(held_out)
    of_bytes = train_ngram_model(byte_ids(train), END_BYTE + 1, END_BYTE)
    rows.insert(
        3,
        {
            "who": "n-grams of bytes",
            "bits_per_byte": of_bytes.bits_per_byte(held_bytes, len(held_bytes) - 1 - len(held_out)),
        },
    )
    title = (
        f"{len(places)} lines of {len(held_out)} held-out files, {len(ids):,} tokens; {len(train)} files to learn from"
    )
    show(title, COLUMNS, rows, {})
    error = math.sqrt(0.25 / len(places))
    samples = [
        {
            "before": place.prefix.split("\n")[-4:],
            "line": place.line,
            **{who: lines[who][number] for who in list(lines)[:3]},
        }
        for number, place in enumerate(places[:SHOWN])
    ]
    facts = {
        "title": title,
        "places": len(places),
        "seed": arguments.seed,
        "largest_standard_error": error,
        "rows": rows,
        "samples": samples,
    }
    write(arguments.output, "benchmarks.completion.run", None, facts)


if __name__ == "__main__":
    main()
