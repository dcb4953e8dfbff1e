"""What a run's model completes in files that it never saw, beside an n-gram model that counted the same training files.

    .venv/bin/python -m benchmarks.completion.run runs/python-code [--places 200] [--seed 1] [--output FILE]

`--places` statements' first lines, within functions, are drawn from the held-out files, and written anew, greedily, from the
file before them (for the network, in two orders with what stands after them, too). The n-gram models have order 5 and Kneser-Ney
smoothing; they count the training files as they are, not turned for filling in: one over the run's tokens, one over bytes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.completion.baseline import complete_line
from benchmarks.completion.places import Place, find_places, is_exact, parses_in_place, parses_so_far
from benchmarks.result import at_least_one, output_file, show, write

from groundup.evaluation.ngram import END_BYTE, NgramModel, byte_ids, train_ngram_model
from groundup.generation.forward import evaluating
from groundup.language_model import LanguageModel
from groundup.language_model.complete import token_texts
from groundup.model.transformer import Transformer
from groundup.recipe.data import prepare_data
from groundup.recipe.identity import require_same_data
from groundup.recipe.measure import first_token_bytes, measure_validation
from groundup.recipe.settings import Recipe, load_recipe
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.collect import collect
from groundup.text.selection import select
from groundup.text.splits import plan_split
from groundup.tokens.plan import validation_windows

NETWORK, NGRAMS = "network, prefix alone", "n-grams of tokens"
MAX_NEW_TOKENS = 64
NUM_SHOWN = 12
SHOWN = (NETWORK, "network, suffix first", NGRAMS)
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


def bits_by_bytes(train: Sequence[str], held_out: Sequence[str]) -> float:
    """What n-grams of bytes give to the held-out files; the first of their bytes isn't predicted by the others, either."""
    counted = train_ngram_model(byte_ids(train), END_BYTE + 1, END_BYTE)
    ids = byte_ids(held_out)
    return counted.bits_per_byte(ids, len(ids) - len(held_out) - 1)


def judge(places: Sequence[Place], lines: Sequence[str]) -> dict[str, float]:
    """The shares of lines that are exact and that parse."""
    checks: dict[str, Callable[[Place, str], bool]] = {
        "exact": is_exact,
        "parses_so_far": parses_so_far,
        "parses_in_place": parses_in_place,
    }
    return {name: sum(map(check, places, lines)) / len(places) for name, check in checks.items()}


def write_lines(
    places: Sequence[Place], language_model: LanguageModel, ngrams: NgramModel, take: int = MAX_NEW_TOKENS
) -> dict[str, list[str]]:
    """What each writes at each place, and what stands there."""
    tokenizer = language_model.tokenizer
    texts = token_texts(tokenizer, tokenizer.vocab_size)

    def network(place: Place, suffix: str, prefix_first: bool = False) -> str:
        return language_model.complete(place.prefix, suffix, True, prefix_first, max_new_tokens=take)

    def counted(place: Place, take_back: bool) -> str:
        return complete_line(ngrams, tokenizer, texts, place.prefix, take, take_back)

    return {
        NETWORK: [network(place, "") for place in places],
        "network, suffix first": [network(place, place.suffix) for place in places],
        "network, prefix first": [network(place, place.suffix, prefix_first=True) for place in places],
        NGRAMS: [counted(place, take_back=True) for place in places],
        "n-grams of tokens, none taken back": [counted(place, take_back=False) for place in places],
        "the line itself": [place.line for place in places],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description="Completions of held-out lines, beside an n-gram model's.")
    parser.add_argument("run", type=Path, help="a finished run on source code")
    parser.add_argument("--places", type=at_least_one, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    settings, folder = load_recipe(str(arguments.run / RECIPE_FILE)), RunDirectory(arguments.run).working_folder()
    language_model = LanguageModel.load(arguments.run, device="cpu")
    tokenizer = language_model.tokenizer
    prepared = prepare_data(settings, folder, print)
    require_same_data(RunDirectory(arguments.run), prepared)
    train, held_out = files_of(settings, folder)
    places = find_places(held_out, arguments.places, arguments.seed)

    ids, split = prepared.validation.ids, prepared.validation
    end = [] if tokenizer.end_id is None else [tokenizer.end_id]
    counted = np.concatenate([[*tokenizer.encode(text), *end] for text in train])
    ngrams = train_ngram_model(counted, tokenizer.vocab_size, tokenizer.end_id)
    num_bytes = split.num_bytes - first_token_bytes(tokenizer, ids, split.first_piece)
    measured = measure_validation(language_model.model, prepared, settings.evaluation.batch_size)
    accuracy = next_token_accuracy(language_model.model, ids)
    whole: dict[str, dict[str, float | None]] = {
        NETWORK: {"bits_per_byte": measured.bits_per_byte, "accuracy": accuracy},
        NGRAMS: {"bits_per_byte": ngrams.bits_per_byte(ids, num_bytes), "accuracy": ngrams.accuracy(ids)},
    }
    lines = write_lines(places, language_model, ngrams)
    rows: list[dict[str, Any]] = [{"who": who, **whole.get(who, {}), **judge(places, lines[who])} for who in lines]
    rows.insert(len(rows) - 1, {"who": "n-grams of bytes", "bits_per_byte": bits_by_bytes(train, held_out)})
    title = (
        f"{len(places)} lines of {len(held_out)} held-out files, {len(ids):,} tokens; {len(train)} files to learn from"
    )
    show(title, COLUMNS, rows, {})
    samples = [
        {"before": place.prefix.split("\n")[-4:], "line": place.line, **{who: lines[who][number] for who in SHOWN}}
        for number, place in enumerate(places[:NUM_SHOWN])
    ]
    facts = {"title": title, "seed": arguments.seed, "rows": rows, "samples": samples}
    write(arguments.output, "benchmarks.completion.run", None, facts)


if __name__ == "__main__":
    main()
