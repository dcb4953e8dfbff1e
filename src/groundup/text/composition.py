"""What a collection of documents is made of: sources, licenses, languages, lengths, and which groups of people it speaks of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from groundup.text.cleaning.language import ENGLISH, UNDETERMINED, said_language
from groundup.text.document import Document

# Words that name groups of people, in English. They say who is spoken of, not what is said; the lists are short and our own.
# In other languages the same letters are other words (Spanish `son`, German `man`), so only English text is searched.
TERMS: dict[str, dict[str, str]] = {
    "gender": {
        "female": "she her hers herself woman women girl girls mother mothers daughter daughters sister sisters wife wives lady ladies",
        "male": "he him his himself man men boy boys father fathers son sons brother brothers husband husbands gentleman gentlemen",
        "beyond two": "nonbinary non-binary transgender genderqueer",
    },
    "age": {
        "young": "child children baby babies teenager teenagers youth young",
        "old": "elderly aged pensioner pensioners grandmother grandfather grandparents",
    },
    "religion": {
        "Christian": "christian christians christianity church bible jesus christ catholic protestant orthodox",
        "Muslim": "muslim muslims islam islamic mosque quran koran muhammad",
        "Jewish": "jew jews jewish judaism synagogue torah rabbi",
        "Hindu": "hindu hindus hinduism vedas",
        "Buddhist": "buddhist buddhists buddhism buddha",
        "none": "atheist atheists atheism agnostic secular",
    },
    "origin": {
        "African": "african africans africa nigerian kenyan ethiopian",
        "Arab": "arab arabs arabic egyptian syrian",
        "Asian": "asian asians asia chinese indian japanese korean vietnamese",
        "European": "european europeans europe english french german italian spanish russian",
        "Latin American": "latino latina latinos hispanic mexican brazilian",
        "North American": "american americans america canadian",
        "indigenous": "indigenous aboriginal natives",
    },
    "disability": {
        "named": "disabled disability disabilities blind deaf wheelchair autistic autism",
    },
}
_groups = {
    word: (field_name, group)
    for field_name, groups in TERMS.items()
    for group, words in groups.items()
    for word in words.split()
}
_words = re.compile(r"[^\W\d_]+(?:-[^\W\d_]+)*")
UNKNOWN = "unknown"
"""The language of text where nobody can tell it, for want of a package."""
LENGTH_BOUNDS = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 1_000_000)
TERM_CHARACTERS = 32 * 2**20
"""As much text is read for groups of people and languages, in whole documents from the start of each source."""


@dataclass
class Composition:
    """Counts over documents."""

    documents: int = 0
    characters: int = 0
    num_bytes: int = 0
    sources: Counter[str] = field(default_factory=Counter)
    """Characters of each source."""
    licenses: Counter[str] = field(default_factory=Counter)
    """Documents of each license."""
    languages: Counter[str] = field(default_factory=Counter)
    """Characters of each language, of the documents that were looked at."""
    lengths: Counter[str] = field(default_factory=Counter)
    """Documents by their length in characters."""
    groups: dict[str, Counter[str]] = field(default_factory=dict)
    """How often words that name groups of people occur, of the documents that were looked at and may be English."""
    looked_at: int = 0
    """Characters that languages and groups were looked for in."""

    def as_plain(self) -> dict[str, Any]:
        """As JSON values."""
        plain = {key: dict(value) if isinstance(value, Counter) else value for key, value in vars(self).items()}
        return plain | {"groups": {name: dict(counts) for name, counts in self.groups.items()}}


def compose(documents: Iterable[Document], language: Callable[[str], str] | None) -> Composition:
    """Count what documents are made of. `language` names a text's language, where a document doesn't say itself; None: unknown.

    Languages and groups of people are looked for in the first documents of each source, up to 32 million characters; groups only
    where the language is English or can't be told.
    """
    made = Composition(groups={name: Counter() for name in TERMS})
    read: Counter[str] = Counter()
    for document in documents:
        length = len(document.text)
        made.documents += 1
        made.characters += length
        made.num_bytes += len(document.text.encode("utf-8"))
        made.sources[document.source] += length
        made.licenses[document.license] += 1
        made.lengths[length_class(length)] += 1
        if read[document.source] < TERM_CHARACTERS:
            read[document.source] += length
            made.looked_at += length
            named = document.metadata.get("language")
            told = language(document.text) if language and not said_language(named or "") else UNKNOWN
            made.languages[named or told] += length
            if (said_language(named or "") or told) in (ENGLISH, UNDETERMINED, UNKNOWN):
                _count_groups(document.text, made.groups)
    return made


def _count_groups(text: str, groups: dict[str, Counter[str]]) -> None:
    """Words with a hyphen (`non-binary`) count as they are or, where no list has them, by their parts (`African-American`)."""
    for word, count in Counter(_words.findall(text.lower())).items():
        for part in (word,) if word in _groups else word.split("-"):
            if part in _groups:
                name, group = _groups[part]
                groups[name][group] += count


def length_class(length: int) -> str:
    """`300 to 999`: which of the classes of lengths a length is in."""
    bounds = (0, *LENGTH_BOUNDS)
    place = max(place for place, bound in enumerate(bounds) if bound <= length)
    return (
        f"{bounds[place]:,} or more"
        if place == len(LENGTH_BOUNDS)
        else f"{bounds[place]:,} to {bounds[place + 1] - 1:,}"
    )


def length_classes() -> list[str]:
    """All of them, from short to long."""
    return [length_class(bound) for bound in (0, *LENGTH_BOUNDS)]
