"""Data to measure steps on where a recipe's own is not prepared: random, in the sizes that are assumed of it, and thrown away."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import cycle, islice
from pathlib import Path

from groundup.errors import SettingError
from groundup.model.settings import ModelSettings
from groundup.recipe.base_tokenizer import tokenizer_of_base
from groundup.recipe.data import Prepared, tokenizer_for_rows
from groundup.recipe.settings import Recipe
from groundup.recipe.sizes import Sizes
from groundup.text.collect import collect
from groundup.text.settings import DataSettings, Split
from groundup.tokens.learned_tokens import MarkedRow, mark_pair, mark_row
from groundup.tokens.prepare import prepare
from groundup.tokens.prepare_examples import prepare_examples
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.tokenizer import Tokenizer

FIRST_LETTER = 0xF0000  # of a plane of characters that mean nothing, 65,534 of them
STEPS = 24  # that there are rows for, unless these would be very many
MOST_TOKENS = 2**21
WORDS = [
    "the", "of", "and", "to", "in", "that", "it", "was", "for", "on", "are", "as", "with", "they", "at", "be", "this", "from",
    "have", "or", "by", "one", "had", "not", "but", "what", "all", "were"
]  # fmt: skip


@contextmanager
def made_up_data(
    settings: Recipe, folder: Path, sizes: Sizes, data: Prepared | None
) -> Iterator[tuple[Recipe, Prepared]]:
    """The data as it is, or made-up data with settings that fit it."""
    if data is not None:
        yield settings, data
        return
    with tempfile.TemporaryDirectory(prefix="groundup-plan-") as temporary:
        yield _make(settings, folder, sizes, Path(temporary))


def _make(settings: Recipe, folder: Path, sizes: Sizes, temporary: Path) -> tuple[Recipe, Prepared]:
    generator = random.Random(0)
    window, batch_size = settings.model.max_seq_len, settings.training.batch_size
    kept = DataSettings(packing=settings.data.packing, document_attention=settings.data.document_attention)
    if settings.training.objective == "language_model":
        letters = [chr(FIRST_LETTER + number) for number in range(max(1, min(sizes.vocab_size - 3, 65_000)))]
        if settings.model.base:
            letters = [f" {word}" for word in WORDS]
        num_rows = max(batch_size, min(STEPS * batch_size, MOST_TOKENS // window))
        needed = num_rows * window + len(letters)
        texts = ["".join(letters + generator.choices(letters, k=needed))]
        texts += ["".join(generator.choices(letters, k=window)) for _ in range(num_rows)]
        path = temporary / "text.jsonl"
        path.write_text("\n".join(json.dumps({"text": text}) for text in texts), encoding="utf-8")
        split: Split = (
            "documents" if settings.training.privacy.on else "tail"
        )  # of each, whose beginning has all letters
        data = replace(kept, source=str(path), validation_fraction=0.2, split=split)
        store = collect(data, temporary, lambda line: None)
        existing = tokenizer_of_base(settings, folder) if settings.model.base else None
        kind = TokenizerSettings() if existing is None else TokenizerSettings("existing", settings.model.base)
        prepared = prepare(store, data, kind, window, batch_size, temporary, lambda line: None, folder, existing)
        model = settings.model
        if not model.base and not model.vocab_size:
            model = replace(model, vocab_size=max(sizes.vocab_size, prepared.tokenizer.vocab_size))
        assert isinstance(model, ModelSettings)
        training = replace(settings.training, sample_prompt="")  # whose characters this text doesn't have
        return replace(settings, data=data, tokenizer=TokenizerSettings(), model=model, training=training), prepared
    path = temporary / "rows.jsonl"
    tokenizer = tokenizer_for_rows(settings, folder)
    rows = [json.dumps(row) for row in _rows(settings, sizes, tokenizer)]
    path.write_text("\n".join(rows), encoding="utf-8")
    data = replace(kept, source=str(path), validation_fraction=0.2, check_labels=False, template=settings.data.template)
    made = prepare_examples(
        data, tokenizer, settings.training.objective, window, batch_size, temporary, lambda line: None, folder
    )
    return replace(settings, data=data), made


def _rows(settings: Recipe, sizes: Sizes, tokenizer: Tokenizer) -> list[dict[str, str]]:
    """Rows of the assumed length by their tokenizer and its template, alike but for a number, so that all fit into the context if one
    does. Raises `SettingError` where none is short enough."""
    window, count = settings.model.max_seq_len, STEPS * settings.training.batch_size
    pairs, template = settings.training.objective == "preference", tokenizer.chat_template
    assert template is not None

    def row(number: int, question: int, answer: int) -> dict[str, str]:
        made = {"prompt": f"{number} {_words(WORDS, question)}"}
        if not pairs:
            return made | {"completion": _words(WORDS, answer)}
        return made | {"chosen": _words(WORDS, answer), "rejected": _words(WORDS[::-1], answer)}

    def marked(question: int, answer: int, limit: int) -> MarkedRow:
        mark = mark_pair if pairs else mark_row
        return mark(row(count - 1, question, answer), "made up", tokenizer, template, limit)[0]

    def tokens(question: int, answer: int) -> int:
        return len(marked(question, answer, MOST_TOKENS).ids)

    shortest = tokens(1, 1)
    if marked(1, 1, window).dropped:
        advice = f"a question and an answer of a word each take {shortest} tokens in the template: use at least so many"
        raise SettingError("model.max_seq_len", window, advice)
    a_word = (tokens(1 + len(WORDS), 1) - shortest) / len(WORDS)
    answer = max(1, int((sizes.row_length * sizes.learned_share - 2) / a_word))
    question = max(1, int((sizes.row_length - shortest) / a_word) + 2 - answer)
    while marked(question, answer, window).dropped:
        question, answer = (question - 1, answer) if question > 1 else (1, answer - 1)
    return [row(number, question, answer) for number in range(count)]


def _words(words: Sequence[str], count: int) -> str:
    """So many of them, over and over."""
    return " ".join(islice(cycle(words), count))
