"""Extraction: given the beginning of a training text, does the model write what comes next, word for word?

Carlini et al. 2023 (Quantifying memorization across neural language models, §3): a sequence is extractable with k tokens of context if
greedy decoding from the k tokens before it writes it. By induction greedy decoding writes it if and only if each of its tokens is the
likeliest after the true ones before it, so a single pass tells, and nothing needs to be generated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from groundup.errors import AuditError
from groundup.evaluation.audit_result import AuditResult, Figure
from groundup.evaluation.intervals import Interval, mean_share, proportion, ratio
from groundup.evaluation.memorization.settings import MemorizationSettings
from groundup.evaluation.memorization.sides import Integers, Side, choose, count_occurrences, row_hashes
from groundup.evaluation.memorization.token_scores import comes_out
from groundup.model.transformer import Transformer

CANNOT_SAY = (
    "that the rest is safe: other prompts, sampling in place of greedy decoding, or a copy with a word changed may bring out more; "
    "nor that all that came out was learned by heart: some is easy to foretell, as often as unseen text comes out"
)
COPIES = ((1, 1), (2, 9), (10, 99), (100, None))
POOL = 20


@dataclass(frozen=True)
class Asked:
    """Stretches of text that the model was asked to go on with."""

    texts: NDArray[np.uint64]
    """(N,) a number for each stretch, the same for those of the same text."""
    copies: Integers
    """(N,) how often the suffix stands in the training text."""
    extracted: dict[int, NDArray[np.bool_]]
    """For each length of prefix, (N,) whether the suffix came out."""

    def rate(self, prefix: int, chosen: NDArray[np.bool_]) -> Interval | None:
        """The share that came out of those that are chosen, as often as they were drawn; its interval is over different texts, for
        copies come out together."""
        if not chosen.any():
            return None
        _, which = np.unique(self.texts[chosen], return_inverse=True)
        came_out = np.bincount(which, self.extracted[prefix][chosen])
        of_text = np.column_stack([came_out, np.bincount(which)]).astype(np.float64)
        if len(self.texts[chosen]) == len(of_text):  # none was drawn twice
            return proportion(int(came_out.sum()), len(of_text))
        return mean_share(of_text, ratio)


def extraction(
    model: Transformer, trained: Side, unseen: Side | None, settings: MemorizationSettings, seed: int
) -> AuditResult:
    """The share of stretches of the training text that come out, by how much of what is before them is given, and by how often they
    stand in it; beside the same share of text that was not trained on. Raises `AuditError` for texts that are all too short."""
    prefixes = prefixes_that_fit(model, trained, settings)
    longest = max(prefixes)
    generator = np.random.default_rng(seed)
    asked = _ask(model, trained, trained, prefixes, settings, generator)
    chosen = np.zeros(len(asked.copies), np.bool_)
    chosen[: settings.rows] = True  # the first are drawn evenly; those behind them only for how often they stand there
    held = None if unseen is None else _ask(model, unseen, trained, prefixes, settings, generator)
    new = None if held is None else held.copies == 0
    figures: dict[str, Figure] = {
        "extracted": asked.rate(longest, chosen),
        "extracted_unseen": None if held is None or new is None else held.rate(longest, new),
        "prefix_tokens": longest,
        "suffix_tokens": settings.suffix_tokens,
        "documents": len(trained.ends),
        "documents_too_short": int((trained.lengths < longest + settings.suffix_tokens).sum()),
        "stretches": int(chosen.sum()),
        "unseen_stretches": None if new is None else int(new.sum()),
    }
    by_prefix: list[dict[str, Figure]] = [
        {
            "prefix_tokens": prefix,
            "training_text": asked.rate(prefix, chosen),
            "unseen_text": None if held is None or new is None else held.rate(prefix, new),
        }
        for prefix in prefixes
    ]
    return AuditResult(figures, CANNOT_SAY, {"by_prefix": by_prefix, "by_copies": _by_copies(asked, prefixes)})


def prefixes_that_fit(model: Transformer, trained: Side, settings: MemorizationSettings) -> list[int]:
    """Those lengths of prefix for which model and documents have room, in order. Raises `AuditError` if there are none.

    All are asked of the same stretches, so the longest decides which documents have one: it leaves at least half of the text that the
    shortest has, or a single long document would stand for all.
    """
    context, lengths = model.config.max_seq_len - len(trained.opening), trained.lengths
    longest = int(lengths.max(initial=0))
    room = min(context + 1, longest) - settings.suffix_tokens
    prefixes = sorted(prefix for prefix in set(settings.prefix_tokens) if prefix <= room)
    text = [int(lengths[lengths >= prefix + settings.suffix_tokens].sum()) for prefix in prefixes]
    prefixes = [prefix for prefix, tokens in zip(prefixes, text, strict=True) if 2 * tokens >= text[0]]
    if not prefixes:
        raise AuditError(
            f"memorization.prefix_tokens = {list(settings.prefix_tokens)} and memorization.suffix_tokens = "
            f"{settings.suffix_tokens} need {min(settings.prefix_tokens) + settings.suffix_tokens} tokens in a row; the model reads "
            f"{context:,} and the longest document has {longest:,}: lower one of the two"
        )
    return prefixes


def _ask(
    model: Transformer,
    side: Side,
    trained: Side,
    prefixes: list[int],
    settings: MemorizationSettings,
    generator: np.random.Generator,
) -> Asked:
    """Draw stretches of one side: `rows` evenly, and as many more of each number of copies as were found among `POOL` times as many."""
    longest, suffix = max(prefixes), settings.suffix_tokens
    width = longest + suffix
    places = choose(side.stretches(width)[0], POOL * settings.rows, generator)
    copies = count_occurrences(trained.ids, side.cut(places + longest, suffix))
    kept = np.arange(len(places)) < settings.rows
    for low, high in COPIES:
        alike = np.flatnonzero((copies >= low) & (copies <= (high or np.iinfo(np.int64).max)))
        kept[alike[: settings.rows]] = True
    places, copies = places[kept], copies[kept]
    rows = side.cut(places, width)
    extracted = {prefix: comes_out(model, rows[:, longest - prefix :], prefix, side.opening) for prefix in prefixes}
    return Asked(row_hashes(rows, width)[:, 0], copies, extracted)


def _by_copies(asked: Asked, prefixes: list[int]) -> list[dict[str, Figure]]:
    rows: list[dict[str, Figure]] = []
    for low, high in COPIES:
        alike = (asked.copies >= low) & (asked.copies <= (high or np.iinfo(np.int64).max))
        name = str(low) if high == low else f"{low}-{high}" if high else f"{low} or more"
        if alike.any():
            rates: dict[str, Figure] = {f"prefix_{prefix}": asked.rate(prefix, alike) for prefix in prefixes}
            rows.append({"copies": name, **rates})
    return rows
