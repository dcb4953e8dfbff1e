"""The audits of fairness and safety, joined: which texts are read, which published sets, and what scores them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from groundup.errors import DataError, SettingError
from groundup.evaluation.audit_result import AuditResult, Figure
from groundup.evaluation.fairness.associations import associations
from groundup.evaluation.fairness.bbq import Question, bbq, read_bbq
from groundup.evaluation.fairness.crows_pairs import Pair as CrowsPair
from groundup.evaluation.fairness.crows_pairs import crows_pairs, read_crows_pairs
from groundup.evaluation.fairness.groups import Gap, hopeless, widest
from groundup.evaluation.fairness.prompts import read_prompts
from groundup.evaluation.fairness.published import choose
from groundup.evaluation.fairness.refusals import refusals
from groundup.evaluation.fairness.scorers import Refusal, Scorer, Sentiment, checked, lexicon_words
from groundup.evaluation.fairness.settings import CATALOGUE, SHIPPED
from groundup.evaluation.fairness.templates import read_templates
from groundup.evaluation.fairness.toxicity import toxicity
from groundup.evaluation.fairness.winobias import Pair as WinoPair
from groundup.evaluation.fairness.winobias import choose_balanced, read_winobias, winobias
from groundup.evaluation.fairness.winogender import Sentence, read_statistics, read_winogender, winogender
from groundup.evaluation.fairness.written import written_gaps
from groundup.recipe.audit_input import AuditInput
from groundup.serving.guard.classifier import Classifier
from groundup.serving.guard.hooks import find_function
from groundup.serving.guard.sentences import cut_into_sentences
from groundup.serving.guard.words import WordList

CANNOT_SAY = (
    "that the model is fair: it shows differences on these few sentences, in these languages, for these groups; a gap of none is no proof "
    "of none elsewhere, a gap need not harm anybody, and what the word lists take for pleasant or hurtful is their authors' judgement"
)

Item = TypeVar("Item")
Table = list[dict[str, Figure]]


def audit_bias(given: AuditInput) -> AuditResult:
    """Whether groups of people are treated alike: by likelihood, in what is written, and on published sets."""
    settings, model = given.settings.fairness, given.language_model
    languages = read_templates(settings.templates, settings.axes)
    tables: dict[str, Sequence[Mapping[str, Figure]]] = {}
    figures: dict[str, Figure] = {}
    chats = model.chat_template is not None
    written = [templates for templates in languages if settings.continuations and templates.beginnings(chats)]
    if settings.continuations:
        for templates in languages:
            if templates not in written:
                missing = "[[requests]], to which a model that chats replies" if chats else "[[prompts]]"
                given.say(
                    f"warning: the templates of {templates.language!r} have no {missing}: nothing is written for them"
                )
    # Made first: a scorer or a file that can't be had is said before minutes are spent.
    published = _read_published(given)
    scored = [(templates, _scorers(given, templates.language)) for templates in written]
    _add(given, figures, tables, "association", associations(model, languages, given.settings.seed, given.say))
    _add(
        given,
        figures,
        tables,
        "written",
        written_gaps(model, scored, settings, given.settings.seed, given.say, given.writes),
    )
    tables |= _published(given, published, figures)
    return AuditResult(figures, CANNOT_SAY, tables)


def _add(given: AuditInput, figures: dict[str, Figure], tables: dict[str, Any], name: str, gaps: Sequence[Gap]) -> None:
    if gaps:
        figures[f"{name}_tests"] = len(gaps)
        figures[f"{name}_groups_that_differ"] = sum(gap.differs for gap in gaps)
        figures[f"widest_{name}_gap"] = widest(gaps)
        tables[f"{name}_gaps"] = [gap.as_row() for gap in gaps]
    if few := hopeless(gaps):
        given.say(
            f"warning: of {few:,} of the {len(gaps):,} {name} tests, templates are too few to tell any difference from chance: write more"
        )


class Published(NamedTuple):
    """The items of the published sets that are asked for, as many as the settings allow; none of a set that isn't."""

    crows_pairs: Sequence[CrowsPair]
    winobias: Sequence[WinoPair]
    winogender: Sequence[Sentence]
    statistics: Mapping[str, float]
    bbq: Sequence[Question]


def _read_published(given: AuditInput) -> Published:
    """What the settings name."""
    settings, seed = given.settings.fairness, given.settings.seed
    return Published(
        choose(_read(given, settings.crows_pairs, read_crows_pairs), settings.items, seed),
        choose_balanced(_read(given, settings.winobias, read_winobias), settings.items, seed),
        read_winogender(settings.winogender)
        if settings.winogender
        else [],  # short sentences in triples: none is left out
        read_statistics(settings.winogender) if settings.winogender else {},
        choose(_read(given, settings.bbq, read_bbq), settings.items, seed),
    )


def _published(given: AuditInput, read: Published, figures: dict[str, Figure]) -> dict[str, Table]:
    """The tables of the published sets, and their first figures."""
    model, seed = given.language_model, given.settings.seed
    tables: dict[str, Table] = {}
    if read.crows_pairs:
        tables["crows_pairs"] = crows_pairs(model, read.crows_pairs, seed, given.say)
        figures["crows_pairs_stereotype_share"] = tables["crows_pairs"][0]["stereotype_share"]
    if read.winobias:
        tables["winobias"] = winobias(model, read.winobias, seed, given.say)
        figures["winobias_pro_share"] = tables["winobias"][0]["pro_share"]
    if read.winogender:
        tables["winogender"], correlation = winogender(model, read.winogender, read.statistics, seed, given.say)
        if correlation is not None:
            figures["winogender_correlation"] = correlation
    if read.bbq:
        tables["bbq"] = bbq(model, read.bbq, seed, given.say)
        for name in ("accuracy_ambiguous", "accuracy_disambiguated", "s_amb", "s_dis"):
            figures[f"bbq_{name}"] = tables["bbq"][0][name]
    return tables


def _read(given: AuditInput, named: str, read: Callable[[str, Callable[[str], None]], list[Item]]) -> list[Item]:
    """The items of a published set; none if it is not asked for, or is the catalogue's and can't be fetched."""
    if not named:
        return []
    try:
        return read(named, given.say)
    except DataError as error:
        if named != CATALOGUE:
            raise
        given.say(f"warning: a published set is left out: {error}")
        return []


def audit_toxicity(given: AuditInput) -> AuditResult:
    """How toxic what the model writes can get, after neutral prompts and after others."""
    settings = given.settings.fairness
    languages = [(prompts, _toxicity(given, prompts.language)) for prompts in read_prompts(settings.prompts)]
    scored_by = settings.toxicity_scorer or "shipped words"
    return toxicity(given.language_model, languages, settings, given.settings.seed, scored_by, given.say, given.writes)


def audit_refusals(given: AuditInput) -> AuditResult:
    """What the model declines, and what it should not have declined."""
    settings = given.settings.fairness
    languages = [(prompts, _refusal(given, prompts.language)) for prompts in read_prompts(settings.prompts)]
    scored_by = settings.refusal_scorer or "patterns"
    return refusals(given.language_model, languages, settings, given.settings.seed, scored_by, given.say, given.writes)


def _scorers(given: AuditInput, language: str) -> dict[str, Scorer]:
    """What scores texts about groups; refusals only of a model that can refuse."""
    settings = given.settings.fairness
    own = settings.sentiment_scorer
    scorers: dict[str, Scorer] = {
        "sentiment": checked(find_function(own, "scorer"), own, -1.0, 1.0) if own else Sentiment.of(language),
        "toxicity": _toxicity(given, language),
    }
    if given.language_model.chat_template is not None:
        scorers["refusal"] = _refusal(given, language)
    return scorers


def _refusal(given: AuditInput, language: str) -> Scorer:
    """The function that the settings name; else the patterns of all languages, since a model need not answer in the one it is asked in."""
    own, named = given.settings.fairness.refusal_scorer, given.settings.fairness.prompts
    if own:
        return checked(find_function(own, "scorer"), own, 0.0, 1.0)
    known = read_prompts([*SHIPPED, *(name for name in named if name not in SHIPPED)])
    if not any(prompts.refusals for prompts in known if prompts.language == language):
        raise SettingError(
            "fairness.prompts",
            list(named),
            f"they have no refusals of {language!r} to know one by: name a file with refusals = […] in it, or a fairness.refusal_scorer",
        )
    return Refusal([pattern for prompts in known for pattern in prompts.refusals])


def _toxicity(given: AuditInput, language: str) -> Scorer:
    """The classifier or the function that the settings name; else the shipped words, each of which halves the way to 1."""
    own = given.settings.fairness.toxicity_scorer
    if ":" in own and not Path(own).exists():
        return checked(find_function(own, "scorer"), own, 0.0, 1.0)
    if own:
        classifier = Classifier.load(Path(own).expanduser())

        def worst_sentence(texts: Sequence[str]) -> list[float]:
            """The classifier was trained on sentences; a text is as toxic as its worst one."""
            return [
                max(classifier.probabilities([text[start:end] for start, end in cut_into_sentences(text)]), default=0.0)
                for text in texts
            ]

        return worst_sentence
    words = WordList(lexicon_words(language, "toxic", "fairness.toxicity_scorer"))
    return lambda texts: [1 - 0.5 ** len(words.find(text)) for text in texts]


FAIRNESS_AUDITS: Mapping[str, Callable[[AuditInput], AuditResult]] = {
    "bias": audit_bias,
    "toxicity": audit_toxicity,
    "refusals": audit_refusals,
}
