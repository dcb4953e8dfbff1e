"""The scores of membership inference against their definitions, computed from all logits."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
import torch

from groundup.errors import AuditError
from groundup.evaluation.memorization import token_scores
from groundup.evaluation.memorization.membership import (
    compare_scores,
    lowest_mean,
    membership,
    standardized,
    zlib_bytes,
)
from groundup.evaluation.memorization.settings import MemorizationSettings
from groundup.evaluation.memorization.sides import Side
from groundup.evaluation.memorization.token_scores import score_tokens
from groundup.language_model import LanguageModel
from groundup.model.settings import preset_config
from groundup.model.transformer import Transformer
from groundup.tokens.character import train_character_tokenizer


@pytest.fixture(scope="module")
def language_model() -> LanguageModel:
    torch.manual_seed(2)
    tokenizer = train_character_tokenizer(["abcdefgh "], byte_fallback=False)
    shape = {"d_model": 16, "num_layers": 2, "num_heads": 2, "max_seq_len": 24, "init_std": 0.4}
    return LanguageModel(Transformer(preset_config("qwen3", vocab_size=tokenizer.vocab_size, **shape)), tokenizer)


def test_min_k_plus_plus_is_its_equation(language_model: LanguageModel) -> None:
    """(log p(x) - μ) / σ, where μ and σ are of log p(z) with z drawn from the model itself (Zhang et al. 2025, equation 3)."""
    rows = np.random.default_rng(0).integers(0, language_model.tokenizer.vocab_size, (6, 11))
    scores = score_tokens(language_model.model, rows)
    with torch.no_grad():
        log_p = torch.log_softmax(language_model.model(torch.from_numpy(rows))[:, :-1].double(), dim=-1).numpy()
    p = np.exp(log_p)
    mean = (p * log_p).sum(-1)
    deviation = np.sqrt((p * (log_p - mean[..., None]) ** 2).sum(-1))
    came = np.take_along_axis(log_p, rows[:, 1:, None], axis=-1)[..., 0]
    assert scores.mean == pytest.approx(mean, abs=1e-5)
    assert scores.deviation == pytest.approx(deviation, abs=1e-4)
    expected = [np.sort(row)[:3].mean() for row in (came - mean) / deviation]
    assert lowest_mean(standardized(scores), 0.3) == pytest.approx(expected, abs=1e-3)
    assert lowest_mean(scores.log_probability, 0.01) == pytest.approx(came.min(axis=1), abs=1e-5)  # at least one token


def test_scores_are_the_same_however_many_logits_are_made_at_once(
    language_model: LanguageModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = np.random.default_rng(1).integers(0, language_model.tokenizer.vocab_size, (6, 11))
    whole = score_tokens(language_model.model, rows)
    monkeypatch.setattr(
        token_scores, "LOGITS_AT_ONCE", 7 * language_model.tokenizer.vocab_size
    )  # 60 tokens in nine parts
    parts = score_tokens(language_model.model, rows)
    for name in ("log_probability", "mean", "deviation"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), abs=1e-5)


def test_rows_of_one_distribution_cannot_be_told_apart(language_model: LanguageModel) -> None:
    generator = np.random.default_rng(3)
    texts = ["".join(generator.choice(list("abcdefgh "), 60)) for _ in range(120)]
    trained, unseen = (
        Side.of_texts(((text, 0) for text in half), language_model.tokenizer) for half in (texts[:60], texts[60:])
    )
    settings = MemorizationSettings(row_tokens=20, rows=150)

    def twice(rows: np.ndarray, texts: object) -> np.ndarray:
        return -2 * np.asarray(score_tokens(language_model.model, rows).log_probability.sum(axis=1))

    result = membership(language_model, trained, unseen, settings, seed=0, reference=twice).as_plain()
    assert [row["score"] for row in result["tables"]["scores"]] == [
        "loss",
        "zlib",
        "min_k",
        "min_k_plus_plus",
        "reference",
    ]
    for row in result["tables"]["scores"]:
        assert row["auc"]["low"] < 0.5 < row["auc"]["high"]
        assert row["true_positives_at_1_percent"]["value"] < 0.1
        assert row["auc"]["n"] == 120
    # A reference that finds every row twice as hard leaves the loss, with its sign turned.
    loss, reference = (result["figures"][f"auc_{name}"]["value"] for name in ("loss", "reference"))
    assert reference == pytest.approx(1 - loss)


def test_zlib_and_the_table_by_hand() -> None:
    assert zlib_bytes("aaaa" * 50) == len(zlib.compress(b"aaaa" * 50)) < zlib_bytes("abcdefgh") + 20
    result = compare_scores(
        {"loss": np.array([2.0, 3.0])}, {"loss": np.array([1.0, 2.0])}, np.arange(4), row_tokens=9, seed=0
    )
    figures = result.as_plain()["figures"]
    assert figures["auc_loss"]["value"] == 0.875
    assert figures["tpr_loss"] is None  # two rows are too few for one in a hundred
    assert (figures["trained_rows"], figures["unseen_rows"], figures["row_tokens"]) == (2, 2, 9)
    assert figures["auc_loss"]["low"] is None  # and two documents, for an interval


def test_a_side_without_rows_is_said(language_model: LanguageModel) -> None:
    long, short = (Side.of_texts([(text, 0)], language_model.tokenizer) for text in ("abcdefgh" * 9, "ab"))
    with pytest.raises(
        AuditError, match=r"no document of 24 tokens on both sides, of one source.*memorization\.row_tokens"
    ):
        membership(language_model, long, short, MemorizationSettings(row_tokens=24), seed=0)
