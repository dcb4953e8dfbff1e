"""The text that a model is measured on: its tokens, where its documents end, and what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from groundup.errors import DataError, ModelError
from groundup.evaluation.predicted import Predicted, cut, predicted
from groundup.language_model import LanguageModel
from groundup.language_model.token_losses import Predictions, Window, window_predictions
from groundup.recipe.measure import first_token_bytes
from groundup.recipe.under_way import Begin, unseen
from groundup.text.bad_input import without_settings
from groundup.text.cache import cache_directory
from groundup.text.cleaning.language import identify_language, require_identifier, said_language
from groundup.text.document import Document
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.tokens.plan import documents_of, validation_windows
from groundup.tokens.prepare import PreparedData
from groundup.tokens.sharded_ids import TokenIds
from groundup.tokens.tokenizer import Tokenizer

By = Literal["source", "language", "length"]
WAYS: tuple[By, ...] = ("source", "language", "length")
LENGTHS = (1024, 4096, 16384)


@dataclass(frozen=True)
class EvaluatedText:
    """A text as a tokenizer's ids."""

    name: str
    ids: TokenIds
    """(N,) documents one after the other, each with its end token, if the tokenizer has one."""
    ends: NDArray[np.int64]
    """(D,) where each document ends."""
    num_bytes: int
    first_piece: str
    """What the first token stands for, the one that nothing predicts."""
    own_documents: bool = False
    """Whether a token is predicted from its own document alone."""
    sources: Sequence[str] | None = None
    """(D,) where each document comes from; None where that is not known any more."""
    languages: Sequence[str] | None = None
    """(D,) which language each says it is in, "" for one that doesn't; None where that is not known."""
    documents: Sequence[Document] | None = field(default=None, repr=False)
    """(D,) what it was read from, if it was read for this."""

    def texts(self, tokenizer: Tokenizer) -> list[str]:
        """(D,) each document as text."""
        if self.documents is not None:
            return [document.text for document in self.documents]
        begins = [0, *self.ends[:-1].tolist()]
        return [
            tokenizer.decode(self.ids[begin:end].tolist())
            for begin, end in zip(begins, self.ends.tolist(), strict=True)
        ]


def text_of_run(prepared: PreparedData) -> EvaluatedText:
    """A run's own validation text."""
    split, groups = prepared.validation, prepared.facts["groups"]
    names = [list(groups["validation"])[number] for number in split.groups.tolist()]
    by_source = groups["by"] == "source"
    return EvaluatedText(
        "validation",
        split.ids,
        split.ends,
        split.num_bytes,
        split.first_piece,
        prepared.own_documents,
        sources=names if by_source else None,
        languages=None if by_source else names,
    )


def read_text(
    sources: Sequence[str], tokenizer: Tokenizer, own_documents: bool, say: Callable[[str], None]
) -> EvaluatedText:
    """Any text. Raises `DataError` where there is none, or too little to predict one token from another."""
    with without_settings():
        documents = read_documents(DataSettings(source=tuple(sources)), cache_directory(), say)
    return encode(documents, tokenizer, own_documents, say)


def encode(
    documents: Sequence[Document], tokenizer: Tokenizer, own_documents: bool, say: Callable[[str], None]
) -> EvaluatedText:
    """Documents as a tokenizer reads them; `say` is told of what it cannot spell."""
    name = ", ".join(dict.fromkeys(document.source for document in documents))
    end = np.array([] if tokenizer.end_id is None else [tokenizer.end_id], dtype=np.int32)
    encoded = [np.concatenate([tokenizer.encode_array(document.text), end]) for document in documents]
    ids = np.concatenate(encoded)
    unknown = 0 if tokenizer.unknown_id is None else int((ids == tokenizer.unknown_id).sum())
    if unknown:
        say(
            f"warning: {unknown:,} of {len(ids):,} tokens are characters or words that the model's tokenizer doesn't have; "
            "they count as `<|unk|>`"
        )
    if len(ids) - len(end) * len(documents) < 2:
        raise DataError(
            f"the text of {name} is a single token, and a loss needs one to predict from and one to predict: "
            "give a longer text"
        )
    return EvaluatedText(
        name,
        ids,
        np.cumsum([len(one) for one in encoded]),
        sum(len(document.text.encode()) for document in documents),
        tokenizer.first_piece(documents[0].text),
        own_documents,
        [document.metadata.get("source") or document.source for document in documents],
        [said_language(document.metadata.get("language", "")) for document in documents],
        documents,
    )


def predict(
    language_model: LanguageModel, text: EvaluatedText, window: int, batch_size: int, begin: Begin = unseen
) -> tuple[Predictions, NDArray[np.float64]]:
    """What the model gives to each token of the text but the first, N - 1 of them, and the bytes that each of these stands for.

    Non-overlapping windows of `window` tokens. The bytes together are exactly those of the predicted text. Raises `ModelError` where
    the model's scores are no numbers.
    """
    windows = [
        Window(
            text.ids,
            start,
            start + 1,
            end,
            documents_of(np.arange(start, end), document_ends=text.ends) if text.own_documents else None,
        )
        for start, end in validation_windows(len(text.ids), window, 0).tolist()
    ]
    done = begin(f"reads {text.name}", len(windows))
    predictions = window_predictions(language_model.model, windows, batch_size, done)
    if not np.isfinite(predictions.confidences).all():
        raise ModelError(
            "the model's scores are not finite numbers: its weights are damaged, so use another checkpoint"
        )
    return predictions, token_bytes(text, language_model.tokenizer)


def rows_of(text: EvaluatedText, predictions: Predictions, bytes_of_tokens: NDArray[np.float64]) -> Predicted:
    """The predictions, document by document; of fewer than 20 documents, stretch by stretch."""
    ends, unit = cut(text.ends - 1)  # the first token is not predicted
    return predicted(predictions, ends, bytes_of_tokens, unit)


def token_bytes(text: EvaluatedText, tokenizer: Tokenizer) -> NDArray[np.float64]:
    """(N - 1,) the UTF-8 bytes that each token but the first stands for: none of a special one.

    What a tokenizer changes, or cannot spell, is spread over all tokens, so that the sum is that of the text.
    """
    special = set(tokenizer.special_tokens().values())
    known, places = np.unique(np.asarray(text.ids[1:]), return_inverse=True)
    lengths = np.array(
        [0 if number in special else len(tokenizer.token_bytes(number)) for number in known.tolist()], np.float64
    )
    told: NDArray[np.float64] = lengths[places]
    whole = predicted_bytes(text, tokenizer)
    return told * (whole / told.sum()) if told.any() else np.full(len(told), whole / max(1, len(told)))


def predicted_bytes(text: EvaluatedText, tokenizer: Tokenizer) -> int:
    """UTF-8 bytes of all that is predicted."""
    return text.num_bytes - first_token_bytes(tokenizer, text.ids, text.first_piece)


def group_documents(text: EvaluatedText, tokenizer: Tokenizer, by: By) -> list[str]:
    """(D,) the group that each document is in. Raises `DataError` where its source is not known, `MissingExtraError` where languages
    can't be identified."""
    if by == "source":
        if text.sources is None:
            raise DataError(
                "the run mixed its texts by language, so of its held-out text only that is known: use --by language, or name the "
                "sources with --data"
            )
        return list(text.sources)
    texts = text.texts(tokenizer)
    if by == "length":
        return [_length(len(one.encode())) for one in texts]
    said = text.languages or [""] * len(texts)
    if not all(said):
        require_identifier()
    return [name or identify_language(one).code for name, one in zip(said, texts, strict=True)]


def _length(num_bytes: int) -> str:
    """Which of the `LENGTHS`, in kB of UTF-8: the same for every tokenizer."""
    longest = next((bound for bound in LENGTHS if num_bytes <= bound), None)
    return f"up to {longest // 1024} kB" if longest else f"over {LENGTHS[-1] // 1024} kB"


def group_order(by: By, names: Sequence[str]) -> list[str]:
    """The groups that there are: by length from short to long, else the larger first."""
    if by == "length":
        found = [_length(bound) for bound in (*LENGTHS, LENGTHS[-1] + 1)]
        return [name for name in found if name in names]
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return sorted(counts, key=lambda name: (-counts[name], name))


def groups_of_rows(text: EvaluatedText, names: Sequence[str]) -> NDArray[Any]:
    """The group of each row of `rows_of`: of each document, or of the document that a stretch is of."""
    ends, _ = cut(text.ends - 1)
    return np.array(names)[np.searchsorted(text.ends - 1, ends, side="left")]
