"""How likely a model finds whole sentences; and what of the audits' texts it cannot read, which is said."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from groundup.evaluation.tasks.continuations import log_likelihoods
from groundup.evaluation.tasks.encode import rolling_windows
from groundup.language_model import LanguageModel


def sentence_likelihoods(
    language_model: LanguageModel, sentences: Sequence[str], what: str, say: Callable[[str], None]
) -> NDArray[np.float64]:
    """Of each sentence, the sum of ln p(token | those before it), as lm-eval scores a text without a prompt: (n,).

    The first token is predicted from the one that begins a text; where the tokenizer has none, it is only read. A sentence that is
    longer than the model's context is read in pieces.
    """
    tokenizer, context = language_model.tokenizer, language_model.model.config.max_seq_len
    begin = tokenizer.begin_id
    sequences = [tokenizer.encode(sentence, whole=False) for sentence in sentences]
    say_unknown(language_model, sequences, what, say)
    pieces = [
        rolling_windows(ids, begin, context) if begin is not None else rolling_windows(ids[1:], ids[0], context)
        for ids in sequences
    ]
    values = iter(log_likelihoods(language_model.model, [piece for of_one in pieces for piece in of_one]))
    return np.array([sum(next(values).value for _ in of_one) for of_one in pieces])


def say_unknown(
    language_model: LanguageModel, texts: Sequence[Sequence[int]], what: str, say: Callable[[str], None]
) -> None:
    """Say how many of the texts of ids hold something that the tokenizer doesn't have."""
    unknown = language_model.tokenizer.unknown_id
    count = 0 if unknown is None else sum(unknown in ids for ids in texts)
    if count:
        say(
            f"warning: {count:,} of {len(texts):,} {what} hold characters or words that the model's tokenizer doesn't have; "
            "they count as the unknown token"
        )


def say_cut(
    language_model: LanguageModel,
    texts: Sequence[Sequence[int]],
    what: str,
    say: Callable[[str], None],
    written: int = 0,
) -> None:
    """Say how many of the texts of ids are cut, since they and what is `written` after them don't fit into the model's context."""
    context = language_model.model.config.max_seq_len
    count = sum(len(ids) + written > context for ids in texts)
    if count:
        room = f", less {written} tokens for what is written" if written else ""
        say(
            f"warning: {count:,} of {len(texts):,} {what} are longer than the model's context of {context} tokens{room}: "
            "their beginning is not read, and with it perhaps whom they are about"
        )
