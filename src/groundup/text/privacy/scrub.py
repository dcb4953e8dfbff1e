"""Text in, text without personal data out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.finding import Finding
from groundup.text.privacy.pseudonyms import pseudonym
from groundup.text.privacy.settings import PrivacySettings

ROUNDS = 8
NEAR = 400  # characters around a replacement that are looked at again: farther than any detector looks
AROUND = 4000  # characters around what is shown that are looked at, too: a private key that begins or ends outside is known there


@dataclass(frozen=True)
class Scrubbed:
    """A text after `scrub`."""

    text: str
    counts: dict[str, int] = field(default_factory=dict)
    """How many findings of each kind there were."""
    findings: tuple[Finding, ...] = ()
    """What was found at the first look, with its places in the text as it was."""
    drop: bool = False
    """Whether the whole document is to be left out (mode = drop, and something was found)."""


def scrub(text: str, settings: PrivacySettings, key: bytes = b"") -> Scrubbed:
    """Replace what `find_personal_data` finds, as `settings.mode` says. `key` is needed for mode = pseudonym.

    Nothing is found in what it returns: a replacement can bring together what wasn't found before, so it looks again until there is
    nothing. Hence `scrub(scrub(text).text).text == scrub(text).text`.
    """
    if settings.mode == "none":
        return Scrubbed(text)
    if settings.mode == "pseudonym" and not key:
        raise ValueError("mode = pseudonym needs a key")
    counts: Counter[str] = Counter()
    findings = find_personal_data(text, settings)
    if settings.mode == "drop":
        counts.update(finding.kind for finding in findings)
        return Scrubbed(text, dict(counts), tuple(findings), drop=bool(findings))
    first = tuple(findings)
    for turn in range(ROUNDS):
        if not findings:
            break
        counts.update(finding.kind for finding in findings)
        last = turn == ROUNDS - 1  # a stand-in that is found time and again gives way to a placeholder
        text, places = _replaced(text, findings, settings, b"" if last else key)
        findings = find_personal_data(text, settings) if _any_left(text, places, settings) else []
    return Scrubbed(text, dict(counts), first)


def without_personal_data(text: str, start: int, end: int, settings: PrivacySettings) -> str:
    """`text[start:end]` to be shown to people: a placeholder for each piece of personal data, also for one that the ends cut."""
    first = max(0, start - AROUND)
    around = text[first : end + AROUND]
    parts: list[str] = []
    done, end = start - first, end - first
    for finding in find_personal_data(around, settings):
        if done < finding.end and finding.start < end:
            parts += [around[done : finding.start], placeholder(finding)]
            done = finding.end
    return "".join([*parts, around[done:end]])


def placeholder(finding: Finding) -> str:
    """Its kind, such as `<EMAIL>`."""
    return f"<{finding.kind.upper()}>"


def replacement(finding: Finding, value: str, settings: PrivacySettings, key: bytes) -> str:
    """What stands in the text instead."""
    if settings.mode == "redact":
        return ""
    if settings.mode == "pseudonym" and key:
        return pseudonym(finding.kind, value, key)
    return placeholder(finding)


def _replaced(text: str, findings: list[Finding], settings: PrivacySettings, key: bytes) -> tuple[str, list[int]]:
    """The text with its replacements, and where they end."""
    parts: list[str] = []
    places: list[int] = []
    done = length = 0
    for finding in findings:
        new = replacement(finding, text[finding.start : finding.end], settings, key)
        parts += [text[done : finding.start], new]
        length += finding.start - done + len(new)
        places.append(length)
        done = finding.end
    parts.append(text[done:])
    return "".join(parts), places


def _any_left(text: str, places: list[int], settings: PrivacySettings) -> bool:
    """Whether something is found near what was replaced. Elsewhere nothing has changed."""
    begin = end = -1
    for place in [*places, len(text) + 2 * NEAR + 1]:
        if place - NEAR <= end:
            end = place + NEAR
            continue
        if end > 0 and find_personal_data(text[max(0, begin) : end], settings):
            return True
        begin, end = place - NEAR, place + NEAR
    return False
