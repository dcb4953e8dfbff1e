"""`evaluate --by language`: a multilingual run's model, language by language, beside the n-gram models that it has to beat."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError
from groundup.evaluation.copies import Copies
from groundup.evaluation.intervals import Interval, bootstrap, proportion, ratio
from groundup.evaluation.ngram import END_BYTE, NgramModel, byte_ids, train_ngram_model
from groundup.language_model import LanguageModel
from groundup.language_model.score import log_likelihoods
from groundup.recipe.evaluate import data_of_run
from groundup.recipe.keep_evaluation import keep_evaluation
from groundup.recipe.under_way import Begin, unseen
from groundup.text.cleaning.language import identify_language, require_identifier
from groundup.tokens.language_tags import opening
from groundup.tokens.report import report_tokenizer
from groundup.tokens.store import TokenStore
from groundup.tokens.tokenizer import Tokenizer

Documents = Sequence[NDArray[Any]]


@dataclass(frozen=True)
class LanguageFigures:
    """What was measured of one language."""

    documents: int
    """Documents held out."""
    bytes: int
    """Their length as UTF-8."""
    bits_per_byte: float
    """Of the model: each document by itself, its tag given, its end predicted, too."""
    ngram_bits_per_byte: dict[str, float]
    """Of n-gram models of order 5 with Kneser-Ney smoothing on the same documents: over the model's own tokens, counted on all
    training text (`tokens`) or on this language's alone (`tokens_of_language`), and over bytes, counted on this language's (`bytes`)."""
    bytes_per_token: float
    """UTF-8 bytes that a token of the held-out text stands for, on average."""
    tokens_per_word: float
    """Fertility: tokens for each word, words being what stands between spaces; says little where words aren't set apart."""
    in_language: float
    """The share of samples whose language, identified, is the one asked for."""
    copies: float
    """The share of samples with 50 characters in a row that this language's training text holds, too."""
    held_out_copies: float
    """The same of as many held-out documents, each cut to the most tokens that a sample may have: what text of this kind has in
    common anyway."""
    intervals: dict[str, Interval]
    """Of the model's bits per byte, over the documents; of the shares, over what each is a share of."""
    samples: list[str]
    """All that the model wrote, in the order of their numbers."""

    @property
    def bar(self) -> float:
        """The best n-gram model's bits per byte: what the model has to stay below."""
        return min(self.ngram_bits_per_byte.values())


def evaluate_languages(
    model: str | Path, num_samples: int = 50, say: Callable[[str], None] = warnings.warn, begin: Begin = unseen
) -> dict[str, LanguageFigures]:
    """The figures of each language of a run that was trained with `data.language_tags`, on its held-out text.

    Samples follow from the recipe's `[generation]` and their numbers; none is chosen. All but their texts is kept with the run. Raises
    `DataError` for a run without tags or with a tokenizer that has an unknown token, `MissingExtraError` where py3langid isn't installed
    (extra `data`).
    """
    require_identifier()
    language_model = LanguageModel.load(model)
    prepared, settings = data_of_run(Path(model), "it has no held-out text: name", say, language_model.tokenizer)
    tokenizer = prepared.tokenizer
    if not settings.data.language_tags:
        raise DataError(f"{model} was trained without language tags: train with data.language_tags = true")
    if tokenizer.unknown_id is not None:
        raise DataError(
            f"the tokenizer of {model} cannot spell every text, so its bits per byte say little: train with tokenizer.kind = bpe"
        )
    begin("counting n-grams of all languages", 0)
    count_all = train_ngram_model(prepared.train.ids, tokenizer.vocab_size, tokenizer.end_id)
    sampling = replace(settings.generation, num_samples=num_samples)
    figures = {}
    languages = prepared.facts["groups"]["validation"]
    for number, language in enumerate(languages):
        begin(f"{language}, {number + 1} of {len(languages)} languages", 0)
        held_out, trained_on = _documents(prepared.validation, number), _documents(prepared.train, number)
        if not held_out or not trained_on:
            say(f"warning: {language} has no held-out text or no training text, so nothing is measured of it")
            continue
        texts, training_texts = _texts(tokenizer, held_out), _texts(tokenizer, trained_on)
        sizes = np.array([len(text.encode()) for text in texts], np.float64)
        num_bytes = int(sizes.sum())
        samples = language_model.generate_samples("", replace(sampling, language=language))
        known = Copies(training_texts)
        excerpts = [tokenizer.decode(ids[: sampling.max_new_tokens].tolist()) for ids in held_out[:num_samples]]
        fertility = report_tokenizer(tokenizer, texts).whole
        count_own = train_ngram_model(np.concatenate(trained_on), tokenizer.vocab_size, tokenizer.end_id)
        count_bytes = train_ngram_model(byte_ids(training_texts), END_BYTE + 1, END_BYTE)
        rows = np.stack([_model_nats(language_model, language, held_out), sizes], axis=1)
        intervals = {
            "bits_per_byte": bootstrap(rows, _bits_per_byte),
            "in_language": _share(identify_language(text).code == language.split("-")[0] for text in samples),
            "copies": _share(known.first_in(text) is not None for text in samples),
            "held_out_copies": _share(known.first_in(text) is not None for text in excerpts),
        }
        figures[language] = LanguageFigures(
            documents=len(held_out),
            bytes=num_bytes,
            bits_per_byte=intervals["bits_per_byte"].value,
            ngram_bits_per_byte={
                "tokens": _ngram_nats(count_all, held_out) / math.log(2) / num_bytes,
                "tokens_of_language": _ngram_nats(count_own, held_out) / math.log(2) / num_bytes,
                "bytes": float(count_bytes.losses(byte_ids(texts)).sum()) / math.log(2) / num_bytes,
            },
            bytes_per_token=fertility.bytes_per_token,
            tokens_per_word=fertility.tokens_per_word,
            in_language=intervals["in_language"].value,
            copies=intervals["copies"].value,
            held_out_copies=intervals["held_out_copies"].value,
            intervals=intervals,
            samples=samples,
        )
    told = {"data": None, "by": "language", "samples": num_samples}
    kept = {language: {**one, "samples": len(one["samples"])} for language, one in as_plain(figures).items()}
    keep_evaluation(Path(model), "validation-by-language", kept, told, say)
    return figures


def as_plain(figures: dict[str, LanguageFigures]) -> dict[str, Any]:
    """The figures as JSON values."""
    return {
        language: {
            **asdict(one),
            "bar": one.bar,
            "intervals": {name: interval.as_plain() for name, interval in one.intervals.items()},
        }
        for language, one in figures.items()
    }


def _documents(store: TokenStore, group: int) -> list[NDArray[Any]]:
    """The ids of each document of a group, its tag first and its end last."""
    begins = np.concatenate([[0], store.ends[:-1]])
    return [store.ids[begins[place] : store.ends[place]] for place in np.flatnonzero(store.groups == group)]


def _texts(tokenizer: Tokenizer, documents: Documents) -> list[str]:
    return [tokenizer.decode(ids.tolist()) for ids in documents]


def _model_nats(language_model: LanguageModel, language: str, documents: Documents) -> NDArray[np.float64]:
    """(D,) -ln p of what stands behind each tag, each document read from the start as the model would write it."""
    tag = opening(language_model.tokenizer, language)
    (tag_itself,) = log_likelihoods(language_model.model, [tag])
    sequences = [[*tag, *ids[1:].tolist()] for ids in documents]
    return tag_itself - np.array(log_likelihoods(language_model.model, sequences))


def _ngram_nats(model: NgramModel, documents: Documents) -> float:
    """The same of an n-gram model: the tags stand before what is predicted, and aren't predicted themselves."""
    is_tag = np.zeros(sum(map(len, documents)), np.bool_)
    is_tag[np.cumsum([0, *map(len, documents[:-1])])] = True
    return float(model.losses(np.concatenate(documents))[~is_tag].sum())


def _bits_per_byte(rows: NDArray[np.float64]) -> float:
    """Of rows (n, 2) of nats and bytes."""
    return ratio(rows) / math.log(2)


def _share(answers: Iterable[bool]) -> Interval:
    each = list(answers)
    return proportion(sum(each), len(each))
