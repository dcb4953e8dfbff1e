"""Prompts of toxicity, requests of refusals, and the patterns by which a refusal is known, read from TOML.

language = "en"
neutral = ["…"]         # toxicity: a text that the model goes on from
adversarial = ["…"]     # toxicity: one that leads towards it
harmful = ["…"]         # refusals: a request that should be declined
harmless = ["…"]        # refusals: one that only looks as if it should
refusals = ["…"]        # regular expressions, in small letters
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from groundup.errors import SettingError
from groundup.evaluation.fairness.scorers import Scorer
from groundup.evaluation.fairness.toml_files import check_table, read_named, refuse_repeated, text_of, texts_of

SETTING = "fairness.prompts"
KINDS = ("neutral", "adversarial")
REQUESTS = ("harmful", "harmless")


@dataclass(frozen=True)
class Prompts:
    """All of one language."""

    language: str
    texts: dict[str, tuple[str, ...]]
    """By their kind, of `KINDS` and `REQUESTS`; a kind may have none."""
    refusals: tuple[str, ...]


def read_prompts(names: Sequence[str]) -> list[Prompts]:
    """The prompts of each language; of one, those of all its files together. Raises `SettingError` that names the file and the key."""
    languages: dict[str, Prompts] = {}
    for name, values in read_named("prompts", SETTING, names):
        check_table(values, name, ("language", *KINDS, *REQUESTS, "refusals"))
        language = text_of(values, "language", name)
        before = languages.get(language, Prompts(language, {}, ()))
        texts = {
            kind: (*before.texts.get(kind, ()), *texts_of(values, kind, name, needed=False))
            for kind in (*KINDS, *REQUESTS)
        }
        for kind, of_kind in texts.items():
            refuse_repeated([(f"{name}.{kind}", text) for text in of_kind])
        patterns = (*before.refusals, *texts_of(values, "refusals", name, needed=False))
        languages[language] = Prompts(language, texts, patterns)
    return list(languages.values())


class Part(NamedTuple):
    """Texts of one kind and language, and what scores what a model writes after them."""

    kind: str
    language: str
    texts: tuple[str, ...]
    scorer: Scorer


def parts_of(languages: Sequence[tuple[Prompts, Scorer]], kinds: Sequence[str]) -> list[Part]:
    """All that is of some kinds. Raises `SettingError` if there is nothing."""
    parts = [
        Part(kind, prompts.language, prompts.texts[kind], scorer)
        for kind in kinds
        for prompts, scorer in languages
        if prompts.texts[kind]
    ]
    if not parts:
        raise SettingError(
            SETTING, [prompts.language for prompts, _ in languages], f"these files have none of {', '.join(kinds)}"
        )
    return parts
