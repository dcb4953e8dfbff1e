"""What a model knows of canaries: their exposure, and whether their losses betray that they were planted."""

from __future__ import annotations

import math

import numpy as np

from groundup.errors import AuditError
from groundup.evaluation.audit_result import AuditResult, Figure
from groundup.evaluation.intervals import mean_of_few
from groundup.evaluation.memorization.exposure import Exposure, Floats, exposure, fit_error
from groundup.evaluation.memorization.separation import auc_interval, rows_of
from groundup.evaluation.memorization.settings import MemorizationSettings
from groundup.evaluation.memorization.token_scores import losses_after_prefix
from groundup.language_model.model import LanguageModel
from groundup.text.canaries.canaries import draw_canaries, draw_candidates
from groundup.text.canaries.settings import CanarySettings

CANNOT_SAY = (
    "what was learned of real secrets: a canary is one line in a set form, its copies lie where chance put them, and one that is worded "
    "as the text around it, or that repeats more often, may be learned sooner; nor, of extrapolated exposures, how far the fitted tail is "
    "from the truth, which ranking all secrets would tell: fit_error_bits is how far it is off where it can be counted, and beyond that "
    "it is further off"
)
MOST_CANDIDATES = 2_000_000
"""Whose ids take some 400 bytes each."""
COMPARED = 1000
"""Lines that must not be alike as the tokenizer writes them."""
DOUBTFUL = 1.0
"""By how many bits the fitted distribution may be off where it can be counted; chance alone makes it half of that."""
MOST_OTHERS = 1000
"""Candidates that stand for what was not planted when an AUC is taken; its interval is drawn from so many."""


def canaries(
    language_model: LanguageModel, planted: CanarySettings, settings: MemorizationSettings, seed: int
) -> AuditResult:
    """Exposure by number of copies, of the canaries and, under 0, of as many secrets that were not planted.

    All of one format share its probability, so each is ranked among secrets that were not planted, not among its fellows. Raises
    `AuditError` for more candidates than there is room for.
    """
    drawn, asked = draw_canaries(planted), min(settings.candidates or planted.num_secrets, planted.num_secrets)
    if asked > MOST_CANDIDATES:
        raise AuditError(
            f"memorization.candidates = {settings.candidates} asks for {asked:,} of the {planted.num_secrets:,} secrets: use at most "
            f"{MOST_CANDIDATES:,}, from which the rest is estimated"
        )
    candidates = draw_candidates(planted, asked, seed)
    losses = secret_losses(language_model, planted, [*(canary.secret for canary in drawn), *candidates])
    of_drawn, others = losses[: len(drawn)], losses[len(drawn) :]
    left = planted.num_secrets - len(drawn)
    others = np.random.default_rng(seed).permutation(others)  # all of them come in numerical order
    table = [_of_absent(others, min(planted.count, len(others) // 2), left)]
    for copies in sorted(planted.copies):
        of_copies = of_drawn[[number for number, canary in enumerate(drawn) if canary.copies == copies]]
        exposures = [exposure(loss, others, left + 1) for loss in of_copies.tolist()]
        table.append(_row(copies, exposures, of_copies, others, left + 1, len(others)))
    figures: dict[str, Figure] = {f"exposure_{row['copies']}_copies": row["exposure_bits"] for row in table}
    figures |= {f"auc_{row['copies']}_copies": row["auc"] for row in table if row["copies"]}
    if any(row["extrapolated"] for row in table):
        figures["fit_error_bits"] = error = fit_error(others)
        figures["extrapolation_is_doubtful"] = not abs(error) <= DOUBTFUL
    figures |= {
        "auc_all": auc_interval(rows_of(-of_drawn, -others[:MOST_OTHERS])),
        "highest_exposure_bits": math.log2(left + 1),
        "expected_of_absent_bits": math.log2(math.e),
        "candidates": len(candidates),
        "secrets": planted.num_secrets,
    }
    return AuditResult(figures, CANNOT_SAY, {"by_copies": table})


def secret_losses(language_model: LanguageModel, planted: CanarySettings, secrets: list[str]) -> Floats:
    """(N,) the loss of the format's line with each secret in it, from where the lines differ on, in nats. Of a line that is longer than
    the model's context, its beginning is left out. Raises `AuditError` if the tokenizer can't tell the secrets apart."""
    tokenizer = language_model.tokenizer
    start = [] if tokenizer.end_id is None else [tokenizer.end_id]
    texts = [[*start, *tokenizer.encode(f"\n{planted.line(secret)}\n")] for secret in secrets]
    some = texts[:COMPARED]
    if len(alike := set(map(tuple, some))) < len(some):
        raise AuditError(
            f"the model's tokenizer writes {len(some):,} of the canaries' lines in {len(alike):,} ways, so one secret is as good as "
            "another: ask a model whose tokenizer knows the digits"
        )
    excess = max(0, max(map(len, texts)) - 1 - language_model.model.config.max_seq_len)
    return losses_after_prefix(language_model.model, [text[excess:] for text in texts])


def _of_absent(others: Floats, count: int, left: int) -> dict[str, Figure]:
    """The row of the first `count` secrets that were not planted, each among the others of these: what chance makes of so few."""
    exposures = [exposure(float(others[place]), np.delete(others, place), left) for place in range(count)]
    return _row(0, exposures, others[:count], others[count:], left, len(others) - 1)


def _row(
    copies: int, exposures: list[Exposure], losses: Floats, others: Floats, secrets: int, compared: int
) -> dict[str, Figure]:
    """The mean exposure of canaries with so many copies, each of `secrets` and ranked among `compared` others, how it was found, and how
    well their losses tell them from others'."""
    bits, counted = (
        np.array(column) for column in zip(*((each.bits, each.counted) for each in exposures), strict=True)
    )
    return {
        "copies": copies,
        "exposure_bits": mean_of_few(bits, 0.0, math.log2(secrets)),
        "lowest": float(bits.min()),
        "highest": float(bits.max()),
        "counted_bits": mean_of_few(counted, 0.0, math.log2(min(secrets, compared + 1))),
        "extrapolated": sum(each.extrapolated for each in exposures),
        "auc": auc_interval(rows_of(-losses, -others[:MOST_OTHERS])),
    }
