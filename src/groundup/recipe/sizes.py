"""How much there is to read: of prepared data as it is, else assumed, and said so. Fetches and prepares nothing."""

from __future__ import annotations

import glob
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundup.errors import DataError
from groundup.recipe.data import Prepared
from groundup.recipe.settings import Recipe
from groundup.report.pages import figure
from groundup.text.catalogue import CATALOGUE
from groundup.text.compression import compression
from groundup.text.find_files import expand, find_files
from groundup.text.sources import source_names
from groundup.tokens.prepare import PreparedData

VOCABULARIES = {"character": 100, "existing": 50_000}
"""Of a text whose characters are not known: the letters, digits and signs of English; of a tokenizer that is not on this machine."""
BYTES_OF_A_TOKEN = {"character": 1.0, "word": 4.5, "bpe": 4.0, "existing": 4.0}
UNKNOWN_BYTES = 10_000_000
"""Of a text that is not on this machine, and that the catalogue doesn't know."""
ROW_TOKENS = 250
"""Of a row of an instruction and its answer; of these a fifth carry loss (docs/instruction-tuning.md)."""
LEARNED = 0.2


@dataclass(frozen=True)
class Sizes:
    """What decides how long a training is, beside the network."""

    vocab_size: int
    rows: int
    """Of an epoch."""
    row_length: float
    """Tokens that the network reads of a row, with padding, on the mean."""
    longest_row: int
    learned_share: float
    held_out: int
    """Tokens that an evaluation of all that is held out reads."""
    assumed: tuple[str, ...] = ()
    """What isn't known of the data, in words; empty where it is prepared."""


def evaluated_tokens(settings: Recipe, held_out: int) -> int:
    """How many tokens of what is held out are read between steps: of a text those of whole windows, of which one is read at the least, of
    pairs those of both answers, where `evaluation.max_tokens` counts one."""
    most, objective = settings.evaluation.max_tokens, settings.training.objective
    if not most:
        return held_out
    if objective == "language_model":
        window = settings.model.max_seq_len
        most = max(1, most // window) * window
    return min(2 * most if objective == "preference" else most, held_out)


def known_sizes(data: Prepared) -> Sizes:
    """Of data that is prepared."""
    vocab_size = data.tokenizer.vocab_size
    if isinstance(data, PreparedData):
        length = data.plan.sequence_length
        return Sizes(vocab_size, data.plan.num_rows, length, length, 1.0, len(data.validation.ids))
    lengths = np.asarray(data.plan.lengths, float)
    learned = float(data.train.learned.sum()) / max(1.0, float(data.train.lengths.sum()))
    mean = float(lengths.mean()) / (1 - min(0.9, data.plan.padding_share(data.train)))
    return Sizes(vocab_size, data.plan.num_rows, mean, int(lengths.max()), learned, int(data.validation.lengths.sum()))


def assumed_sizes(settings: Recipe, folder: Path, vocab_size: int = 0) -> Sizes:
    """Of data that is not prepared; `vocab_size` where a tokenizer is known."""
    kind = "existing" if settings.model.base else settings.tokenizer.kind
    assumed = ["the data is not prepared on this machine, and a plan prepares nothing"]
    if not vocab_size:
        vocab_size = settings.model.vocab_size or VOCABULARIES.get(kind, settings.tokenizer.vocab_size)
        assumed.append(f"a vocabulary of {vocab_size:,}")
    num_bytes, how = _text_bytes(settings, folder)
    tokens = num_bytes / BYTES_OF_A_TOKEN[kind]
    assumed.append(f"{figure(num_bytes / 1e6, 2)} MB of text ({how}), {BYTES_OF_A_TOKEN[kind]:g} bytes a token")
    held_out = int(tokens * settings.data.validation_fraction)
    window = settings.model.max_seq_len
    if settings.training.objective == "language_model":
        if settings.data.packing == "stream":
            _require_batch(settings, folder)
        rows = max(settings.training.batch_size, int((tokens - held_out) / window))
        return Sizes(vocab_size, rows, window, window, 1.0, max(2, held_out), tuple(assumed))
    length = min(ROW_TOKENS, window)
    assumed.append(f"rows of {length} tokens, of which {LEARNED:.0%} carry loss")
    rows = max(settings.training.batch_size, int((tokens - held_out) / length))
    return Sizes(vocab_size, rows, length, length, LEARNED, max(2, held_out), tuple(assumed))


def _require_batch(settings: Recipe, folder: Path) -> None:
    """Raise `DataError` for files that fill no batch even with a byte a token, and one more for each file's end, as training will refuse
    them. Of others, or of what is packed, it can't be known."""
    names = [expand(name, folder) for name in source_names(settings.data)]
    if not all(path.exists() for path in names):
        return
    files = [file.path for name in source_names(settings.data) for file in find_files(name, folder)]
    if any(compression(file.name) or file.suffix.lower() in (".parquet", ".arrow") for file in files):
        return
    window, batch_size = settings.model.max_seq_len, settings.training.batch_size
    num_bytes, needed = sum(file.stat().st_size for file in files), batch_size * window + 1
    if num_bytes + len(files) < needed:
        raise DataError(
            f"the text's {num_bytes:,} bytes are fewer than the tokens of one batch, {needed:,} (training.batch_size = {batch_size} "
            f"times model.max_seq_len = {window}, plus 1): lower one of the two, or add text to data.source"
        )


def _text_bytes(settings: Recipe, folder: Path) -> tuple[int, str]:
    """How many bytes the sources have, and how that is known."""
    total, unknown = 0, []
    for name in source_names(settings.data):
        path = expand(name, folder)
        if not path.exists() and name in CATALOGUE and (known := CATALOGUE[name].text_bytes):
            total += known
        elif path.exists() or glob.has_magic(name):
            total += sum(file.path.stat().st_size for file in find_files(name, folder))
        else:
            unknown.append(name)
    if unknown:
        return total + UNKNOWN_BYTES * len(unknown), f"{', '.join(unknown)} unknown, taken to be 10 MB"
    if not total:
        raise DataError(f"{', '.join(source_names(settings.data))} is empty: name a file with text in it")
    return total, "as the files or the catalogue say"
