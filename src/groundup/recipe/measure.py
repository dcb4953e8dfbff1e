"""How well a model predicts tokens that came from a text: windows, batches and the count of bytes."""

from __future__ import annotations

from functools import partial
from typing import Any

from numpy.typing import NDArray

from groundup.evaluation.likelihood import Likelihood, likelihood
from groundup.model.transformer import Transformer
from groundup.tokens.plan import documents_of, validation_windows
from groundup.tokens.prepare import PreparedData
from groundup.tokens.sharded_ids import TokenIds
from groundup.tokens.tokenizer import Tokenizer


def measure_tokens(
    model: Transformer,
    ids: TokenIds,
    tokenizer: Tokenizer,
    num_bytes: int,
    first_piece: str,
    max_tokens: int = 0,
    batch_size: int = 32,
    document_ends: NDArray[Any] | None = None,
    window: int = 0,
) -> Likelihood:
    """Loss, perplexity and bits per byte of `ids`, the tokens of a text of `num_bytes` bytes whose first token
    stands for `first_piece`.

    Non-overlapping windows of `window` tokens (0: the model's context); every token but the first is predicted once. With
    `max_tokens` > 0 only some windows, evenly spread, are measured; their tokens then count as many bytes as the text's tokens do on
    average.
    With `document_ends`, a token is predicted from its own document alone.
    """
    window = min(window or model.config.max_seq_len, model.config.max_seq_len)
    windows = validation_windows(len(ids), window, max_tokens)
    predicted_bytes = num_bytes - first_token_bytes(tokenizer, ids, first_piece)
    if len(windows) and max_tokens:
        measured = int((windows[:, 1] - windows[:, 0]).sum())
        predicted_bytes = round(predicted_bytes * measured / (len(ids) - 1))
    documents = None if document_ends is None else partial(documents_of, document_ends=document_ends)
    return likelihood(model, ids, windows, batch_size, predicted_bytes, window, documents)


def first_token_bytes(tokenizer: Tokenizer, ids: TokenIds, first_piece: str) -> int:
    """UTF-8 bytes of the one token that nothing predicts: what it stands for is `first_piece`."""
    if not len(ids):
        return 0
    first = int(ids[0])
    text = tokenizer.decode([first])
    if first == tokenizer.unknown_id or text == first_piece:
        return len(first_piece.encode())
    return 1 if text in ("", "\ufffd") else len(text.encode())  # 1: a lone byte of the character


def measure_validation(model: Transformer, data: PreparedData, batch_size: int, max_tokens: int = 0) -> Likelihood:
    """The figures of a model on prepared data's validation split, whole or in part."""
    split = data.validation
    ends = split.ends if data.own_documents else None
    window = data.plan.sequence_length
    return measure_tokens(
        model, split.ids, data.tokenizer, split.num_bytes, split.first_piece, max_tokens, batch_size, ends, window
    )
