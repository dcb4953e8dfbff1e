"""The audits of memorization, joined: which texts are looked at, and with which model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
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
from groundup.files import sha256_file
from groundup.language_model import LanguageModel
from groundup.recipe.audit_input import AuditInput
from groundup.recipe.settings import load_recipe
from groundup.run.directory import RECIPE_FILE, RunDirectory
from groundup.text.bad_input import without_settings
from groundup.text.cache import cache_directory
from groundup.text.canaries.canaries import without_lines
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
    reference = _losses_of(memorization.reference, given, trained.opening) if memorization.reference else None
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
    if sha256_file(run / RECIPE_FILE) != RunDirectory(run).manifest()["hashes"]["recipe"]:
        raise AuditError(
            f"{run / RECIPE_FILE} was changed after training, so its secrets need not be those that were planted: restore it"
        )
    return canaries(given.language_model, planted, given.settings.memorization, given.settings.seed)


def audit_personal_data(given: AuditInput) -> AuditResult:
    """Whether personal data comes out, held against what was taken out of the training text."""
    privacy, scrubbed, run = PrivacySettings(), dict[str, int](), known_run(given)
    memorization, seed = given.settings.memorization, given.settings.seed
    trained = unseen = None
    if memorization.text:
        trained, unseen = sides(given)
    elif run is not None:
        data = load_recipe(str(run / RECIPE_FILE)).data
        privacy, scrubbed = data.privacy, _scrubbed(data, run)
        try:
            trained, unseen = sides(given, with_canaries=True)
        except AuditError as error:
            given.say(f"warning: only what the model writes unasked is looked through: {error}")
    return personal_data(given.language_model, trained, unseen, scrubbed, privacy, memorization, seed)


def _scrubbed(data: DataSettings, run: Path) -> dict[str, int]:
    """How much personal data of each kind was taken out: when the run read its text, and before, if `groundup data prepare` wrote it."""
    counts = Counter[str](RunDirectory(run).manifest()["data"].get("steps", {}).get("personal_data", {}))
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
    planted = None if with_canaries else _planted(given)
    if (planted is None) not in given.sides:
        given.sides[planted is None] = _read_sides(given, planted)
    return given.sides[planted is None]


def _planted(given: AuditInput) -> CanarySettings | None:
    """What was planted in the text that is looked for; None if nothing was."""
    run = None if given.settings.memorization.text else known_run(given)
    planted = CanarySettings() if run is None else load_recipe(str(run / RECIPE_FILE)).data.canaries
    return planted if planted.count else None


def _read_sides(given: AuditInput, planted: CanarySettings | None) -> tuple[Side, Side | None]:
    memorization = given.settings.memorization
    if memorization.text:
        trained = _side("text", memorization.text, given)
        return trained, _side("unseen_text", memorization.unseen_text, given) if memorization.unseen_text else None
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
    _say_unread(given, run, len(data.train.ids))
    own = given.language_model.tokenizer
    return (
        _as_read(Side.of_store(data.train, named), data.tokenizer, own, planted),
        _as_read(
            Side.of_store(data.validation, named), data.tokenizer, own, planted
        ),  # the same way, though it has none
    )


def _say_unread(given: AuditInput, run: Path, tokens: int) -> None:
    """Say of the model's own run if it ended before it had read its text once."""
    if run != given.run or not RunDirectory(run).finished:
        return
    read = RunDirectory(run).result().get("tokens", tokens)
    if read < tokens:
        given.say(
            f"warning: training read {read:,} tokens of a text of {tokens:,}, and all of it counts as trained on: of what was read, more "
            "is known than these figures say"
        )


def _as_read(side: Side, written: Tokenizer, own: Tokenizer, planted: CanarySettings | None) -> Side:
    """Documents that are one tokenizer's ids as the model's own, without lines that were planted."""
    same = own.sha256 == written.sha256
    if planted is None and same:
        return side
    texts = side.texts(written)
    if planted is not None:
        texts = (without_lines(text, planted) for text in texts)
    return Side.of_texts(zip(texts, side.groups.tolist(), strict=True), own, () if same else opening(own))


def opening(tokenizer: Tokenizer) -> tuple[int, ...]:
    """What a tokenizer puts before a text, such as `<s>`: rows that are cut from the middle of one get it, too, for models that were
    trained with it are at a loss without. Of a run's own text nothing is, whose rows were cut without."""
    bare, whole = tokenizer.encode("a", whole=False), tokenizer.encode("a")
    starts = (start for start in range(len(whole)) if whole[start : start + len(bare)] == bare)
    return tuple(whole[: next(starts, 0)])


def _side(name: str, sources: str | tuple[str, ...], given: AuditInput) -> Side:
    """Texts of named sources. What one side and the other are of is not told apart, for they are named to be compared."""
    with without_settings(f"memorization.{name}"):
        documents = read_documents(DataSettings(source=sources), cache_directory(), given.say)
    own = given.language_model.tokenizer
    return Side.of_texts(((document.text, 0) for document in documents), own, opening(own))


def _losses_of(reference: str, given: AuditInput, opening: Sequence[int]) -> Losses:
    """What the reference makes of the same rows: of its ids if the tokenizer is the same, else of their text."""
    model = LanguageModel.load(reference)
    same = model.tokenizer.sha256 == given.language_model.tokenizer.sha256

    def losses(rows: NDArray[Any], texts: Any) -> Floats:
        if same and len(opening) + rows.shape[1] <= model.model.config.max_seq_len + 1:
            return np.asarray(-score_tokens(model.model, rows, opening).log_probability.sum(axis=1))
        return np.array([-score.log_likelihood for score in model.score(texts)])

    return losses


MEMORIZATION_AUDITS: Mapping[str, Any] = {
    "extraction": audit_extraction,
    "canaries": audit_canaries,
    "membership": audit_membership,
    "personal_data": audit_personal_data,
}
