"""The audits of memorization, joined: which texts are looked at, and with which model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.errors import AuditError, SettingError
from groundup.evaluation.audit_result import AuditResult
from groundup.evaluation.memorization.canaries import canaries
from groundup.evaluation.memorization.extraction import extraction
from groundup.evaluation.memorization.membership import Losses, membership
from groundup.evaluation.memorization.personal_data import personal_data
from groundup.evaluation.memorization.separation import Floats
from groundup.evaluation.memorization.sides import Side
from groundup.evaluation.memorization.token_scores import score_tokens
from groundup.language_model import LanguageModel
from groundup.recipe.audit_input import AuditInput
from groundup.recipe.settings import load_recipe
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.cache import cache_directory
from groundup.text.canaries.canaries import letters_of, without_lines
from groundup.text.canaries.settings import CanarySettings
from groundup.text.prepared_file import is_prepared, read_prepared
from groundup.text.privacy.settings import PrivacySettings
from groundup.text.settings import DataSettings
from groundup.text.sources import read_documents
from groundup.tokens.tokenizer import Tokenizer

NAME_A_TEXT = "name one with memorization.text=…, or a run with memorization.data_of=…"


def audit_extraction(given: AuditInput) -> AuditResult:
    """Whether beginnings of training texts bring out what follows."""
    trained, unseen = sides(given)
    return extraction(given.language_model.model, trained, unseen, given.settings.memorization, given.settings.seed)


def audit_membership(given: AuditInput) -> AuditResult:
    """Whether the model's scores tell rows that it was trained on from rows of the same sources that were held out."""
    trained, unseen = sides(given)
    if unseen is None:
        raise AuditError("there is no text to compare with: name one like it with memorization.unseen_text=…")
    memorization = given.settings.memorization
    reference = _losses_of(memorization.reference, given) if memorization.reference else None
    return membership(given.language_model, trained, unseen, memorization, given.settings.seed, reference)


def audit_canaries(given: AuditInput) -> AuditResult:
    """Whether the secrets that were planted are known."""
    run = known_run(given)
    if run is None:
        raise AuditError(
            f"{given.path} is not part of a run, so no canaries are known: name a run with memorization.data_of=…"
        )
    planted = load_recipe(str(run / RECIPE_FILE)).data.canaries
    if not planted.count:
        raise AuditError(f"{run} planted no canaries: train with data.canaries.count=10")
    unknown_id, tokenizer = given.language_model.tokenizer.unknown_id, given.language_model.tokenizer
    if unknown_id is not None and unknown_id in tokenizer.encode(letters_of(planted)):
        raise AuditError(
            f"the tokenizer of {given.path} cannot write the canaries of {run}: one secret is as good as another"
        )
    return canaries(given.language_model, planted, given.settings.memorization, given.settings.seed)


def audit_personal_data(given: AuditInput) -> AuditResult:
    """Whether personal data comes out, held against what was taken out of the training text."""
    privacy, scrubbed, trained = PrivacySettings(), dict[str, int](), None
    if known_run(given) is not None or given.settings.memorization.text:
        trained, _ = sides(given, with_canaries=True)
    if trained is not None and not given.settings.memorization.text:
        run = known_run(given)
        assert run is not None
        data = load_recipe(str(run / RECIPE_FILE)).data
        privacy, scrubbed = data.privacy, _scrubbed(data, run, given)
    memorization, seed = given.settings.memorization, given.settings.seed
    return personal_data(given.language_model, trained, scrubbed, privacy, memorization, seed)


def _scrubbed(data: DataSettings, run: Path, given: AuditInput) -> dict[str, int]:
    """How much personal data of each kind was taken out: when the run read its text, and before, if `groundup data prepare` wrote it."""
    counts = Counter[str](given.data_of(run).facts["steps"]["personal_data"])
    for source in (data.source,) if isinstance(data.source, str) else data.source:
        folder = RunDirectory(run).working_folder() / source
        if is_prepared(folder):
            counts.update(read_prepared(folder)["tally"].get("personal_data", {}))
    return dict(counts)


def known_run(given: AuditInput) -> Path | None:
    """The run whose text is looked for: the one that the settings name, else the model's own. Raises `SettingError` for a name of none."""
    named = given.settings.memorization.data_of
    if named and not RunDirectory(Path(named)).started:
        raise SettingError("memorization.data_of", named, "this is not a run: name a folder that groundup train made")
    return Path(named) if named else given.run


def sides(given: AuditInput, with_canaries: bool = False) -> tuple[Side, Side | None]:
    """What the model was trained on, or may have been, and what it was not. Raises `AuditError` where neither is known.

    Canaries have an audit of their own: here they are left out unless they are asked for, for what was held out has none, and every
    model would find the two sides unlike.
    """
    memorization = given.settings.memorization
    if memorization.text:
        unseen = memorization.unseen_text
        return _side(memorization.text, given), _side(unseen, given) if unseen else None
    run = known_run(given)
    if run is None:
        raise AuditError(f"{given.path} is not part of a run, so what it was trained on is not known: {NAME_A_TEXT}")
    data, settings = given.data_of(run), load_recipe(str(run / RECIPE_FILE)).data
    named = bool(settings.validation_source)  # then no source is on both sides
    if named or data.facts["split"] == "tail":
        given.say(
            "warning: what was held out is another part of the text than what was trained on, so part of what tells them apart may be "
            "in the text, not in the model: hold the same against a model that saw neither (memorization.data_of)"
        )
    planted = settings.canaries if settings.canaries.count and not with_canaries else None
    return (
        _as_read(Side.of_store(data.train, named), data.tokenizer, given.language_model.tokenizer, planted),
        _as_read(Side.of_store(data.validation, named), data.tokenizer, given.language_model.tokenizer, None),
    )


def _as_read(side: Side, written: Tokenizer, own: Tokenizer, planted: CanarySettings | None) -> Side:
    """Documents that are one tokenizer's ids as the model's own, without lines that were planted."""
    if planted is None and own.sha256 == written.sha256:
        return side
    texts = side.texts(written)
    if planted is not None:
        texts = (without_lines(text, planted) for text in texts)
    return Side.of_texts(zip(texts, side.groups.tolist(), strict=True), own)


def _side(sources: str | tuple[str, ...], given: AuditInput) -> Side:
    """Texts of named sources. What one side and the other are of is not told apart, for they are named to be compared."""
    documents = read_documents(DataSettings(source=sources), cache_directory(), given.say)
    return Side.of_texts(((document.text, 0) for document in documents), given.language_model.tokenizer)


def _losses_of(reference: str, given: AuditInput) -> Losses:
    """What the reference makes of the same rows: of its ids if the tokenizer is the same, else of their text."""
    model = LanguageModel.load(reference)
    same = model.tokenizer.sha256 == given.language_model.tokenizer.sha256

    def losses(rows: NDArray[Any], texts: Any) -> Floats:
        if same and rows.shape[1] <= model.model.config.max_seq_len + 1:
            return np.asarray(-score_tokens(model.model, rows).log_probability.sum(axis=1))
        return np.array([-score.log_likelihood for score in model.score(texts)])

    return losses


MEMORIZATION_AUDITS: Mapping[str, Any] = {
    "extraction": audit_extraction,
    "canaries": audit_canaries,
    "membership": audit_membership,
    "personal_data": audit_personal_data,
}
