"""Lines that go before a document is judged (Raffel et al. 2020, section 2.2), each counted by the rule that removed it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from groundup.text.cleaning.settings import C4Settings
from groundup.text.cleaning.words import Words, has_end_marks

# The paper's . ! ? and closing quotation marks, with those of other scripts.
END_MARKS = (
    ".",
    "!",
    "?",
    '"',
    "'",
    "”",
    "’",
    "»",
    "…",
    "。",
    "！",
    "？",
    "」",
    "』",
    "؟",
    "۔",
    "।",
    "॥",
    "։",
    "።",
    "។",
    "။",
    ".)",
)
ELLIPSIS = ("...", "…")
_citation_markers = re.compile(r"\[(?:\d+|edit|citation needed)\]")
POLICIES = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


@dataclass(frozen=True)
class KeptLines:
    """A text without the lines that rules removed."""

    text: str
    removed: dict[str, int]
    """How many lines each rule removed, e.g. `c4.end_marks`. A line counts for the first rule that it breaks."""
    citation_markers: int = 0
    """How many were removed."""


def keep_lines(text: str, settings: C4Settings) -> KeptLines:
    """The text without the lines that C4 leaves out. A blank line is kept between lines that stay.

    Where a script has no spaces, two letters count as a word; Thai, Lao and Tibetan lines need no end mark.
    """
    markers = 0
    if settings.citation_markers:
        text, markers = _citation_markers.subn("", text)
    breaks = _line_rule(text, settings)
    removed: dict[str, int] = {}
    kept: list[str] = []
    for line in text.split("\n"):
        bare = line.strip()
        if not bare:
            if kept and kept[-1]:
                kept.append("")
            continue
        rule = breaks(bare)
        if rule:
            removed[rule] = removed.get(rule, 0) + 1
        else:
            kept.append(line)
    if not removed:
        return KeptLines(text, removed, markers)
    return KeptLines("\n".join(kept).strip("\n"), removed, markers)


def _line_rule(text: str, settings: C4Settings) -> Callable[[str], str]:
    """A function that names the first rule that a line breaks, or gives an empty text."""
    end_marks = settings.end_marks and has_end_marks(text)
    lowered = text.lower()
    javascript = settings.javascript_lines and "javascript" in lowered
    policies = tuple(policy for policy in POLICIES if policy in lowered) if settings.policy_lines else ()
    spaced = Words(text).spaced
    most, fewest = settings.max_word_length, settings.min_words_in_line

    def breaks(line: str) -> str:
        if most and len(line) > most and spaced and any(len(word) > most for word in line.split()):
            return "c4.max_word_length"
        if end_marks and (not line.endswith(END_MARKS) or line.endswith(ELLIPSIS)):
            return "c4.end_marks"
        if fewest and (len(line.split(None, fewest)) < fewest if spaced else Words(line).count < fewest):
            return "c4.min_words_in_line"
        if javascript or policies:
            low = line.lower()
            if javascript and "javascript" in low:
                return "c4.javascript_lines"
            if any(policy in low for policy in policies):
                return "c4.policy_lines"
        return ""

    return breaks
