"""Persons' names by what stands before them: titles, greetings, signatures, fields. It finds a part of them only; docs/privacy.md says how large a part."""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundup.text.privacy.finding import CONTEXT, SHAPE, Finding, occurrences

_UP = "A-ZÀ-ÖØ-ÞĆČĐĞİŁŃŒŘŚŞŠŹŻŽ"
_ONE = rf"(?:Mc[A-Z][a-z]+|[{_UP}](?:['’][{_UP}])?[a-zß-öø-ÿāăąćčđęěğıłńňőœřśşšťůűźżž]+(?:[-'’][{_UP}][a-zß-öø-ÿćčęłńśšźżž]+)?|O['’][A-Z][a-z]+)"
_INITIAL = rf"(?:[{_UP}]\.)"
_PARTICLE = r"(?:de la|de los|del|de|da|dos|di|von der|von|van der|van den|van|zu|der|den|le|la|bin|ibn|al|el|y|e)"
NAME = rf"(?:{_ONE}|{_INITIAL})(?: ?(?<=[ .])(?:{_ONE}|{_INITIAL})| {_PARTICLE} {_ONE}){{0,3}}"
FULL_NAME = rf"(?:{_ONE}|{_INITIAL})(?:(?: {_INITIAL}){{0,2}} (?:{_PARTICLE} )?{_ONE}){{1,3}}"
TITLE = re.compile(
    r"(?:Mr|Mrs|Ms|Miss|Mx|Dr|Prof|Professor|Sir|Herr|Herrn|Frau|Mme|Mlle|Monsieur|Madame|Sr|Sra|Señor|Señora|Doña|Sig|Sig\.ra|Signor|Signora|Dott|Dott\.ssa|Dhr|Mevr|Mevrouw)\.? (?=[^\W\da-z_])"
)
PHRASES = (
    "y name is ", "is name is ", "er name is ", "ur name is ", "eir name is ", "ch heiße ", "'appelle ", "’appelle ", "e llamo ", "nombre es ", "i chiamo ", "e chamo ", "k heet ", "igned by ", "Signed, ", "ttn: ", "TTN: ", "c/o ", "on behalf of ",
)  # fmt: skip
AFTER_TITLE = re.compile(NAME)
FULL = re.compile(FULL_NAME)
GREETING = re.compile(
    rf"(?:Dear|Hi|Hello|Hey|Good (?:morning|afternoon|evening),?|Liebe[r]?|Hallo|Cher|Chère|Bonjour|Estimad[oa]|Querid[oa]|Hola|Gentile|Car[oa]|Ciao|Beste|Prezad[oa]) +(?P<name>{NAME})(?=[,!:.\n]| [-–—])"
)
CLOSINGS = (
    "egards", "incerely", "truly", "aithfully", "Yours", "heers", "hanks", "hank you", "Best", "est wishes", "rüße", "rüßen", "MfG", "ordialement", "aludos", "tentamente", "saluti", "groet", "groeten", "tenciosamente",
)  # fmt: skip
SIGNATURE = re.compile(rf",?\n{{1,3}}[ \t]*(?P<name>{NAME})(?= *(?:\n|$|,))")
COLON = re.compile(rf":[ \t]{{0,8}}[\"']?(?P<name>{FULL_NAME})(?=[\"',;|<(\n\t]|$| [<(]|\.[\n ]|\.$)")
LABEL = re.compile(
    r"(?<![A-Za-z])(?:[Ff]ull[ _]?[Nn]ame|[Nn]ame|NAME|[Pp]atient(?:[ _]name)?|[Cc]ustomer(?:[ _]name)?|[Cc]lient|[Ee]mployee|[Rr]ecipient|[Ss]ender|[Hh]older|[Aa]pplicant|[Ss]igned|From|To|Cc|Bcc|Reply-To|Nom|Nombre|Nome|[Bb]eneficiary|[Cc]ontact)[\"']?[ \t]?$"
)
BEFORE_ADDRESS = re.compile(r"<[^<>\s@]{1,64}@")
WORD = re.compile(rf"(?<![^\W_])[{_UP}][^\W_]*")
LAST_NAME = re.compile(rf"(?<!\w)(?P<name>{FULL_NAME})[\"']? ?$")
I_AM = ("I am ", "I'm ", "I’m ", "his is ", "Ich bin ", "Je suis ", "Soy ", "Sono ")
INTRODUCED = re.compile(rf"(?P<name>{FULL_NAME})(?=[,.;!\n]|$| (?:and|from|calling|writing|with|at|aus|und|de|y|e)\b)")
LONGEST_INDENT = 40  # characters
NOT_NAMES = frozenset(
    """None True False The This That There Here Sir Madam Team All Everyone Everybody Colleague Colleagues Customer Customers Friend Friends User Users Reader Readers World God Lord Hiring Manager
    President Minister Chairman Speaker Secretary Editor Doctor Professor Python Windows Linux Monday Tuesday Wednesday Thursday Friday Saturday Sunday January February March April
    May June July August September October November December English German French Spanish Italian American British Not And But If When Yes No It He She They We You""".split()
)


def find_names(text: str) -> Iterator[Finding]:
    """Names behind a title, a greeting, a signature or a field, and each later mention of one that was found in full."""
    full: dict[str, set[str]] = {}  # by their first words
    for finding in _find_said(text):
        value = text[finding.start : finding.end]
        words = value.split()
        if words[0] in NOT_NAMES or (len(words) == 1 and len(value.rstrip(".")) < 2):
            continue
        if len(words) > 1:
            full.setdefault(WORD.match(value)[0], set()).add(value)  # type: ignore[index]  # a name begins with a letter
        yield finding
    yield from _find_again(text, full)


def _find_again(text: str, names: dict[str, set[str]]) -> Iterator[Finding]:
    """Each mention of any of the names, in one pass however many there are."""
    lengths = {first: sorted(set(map(len, values))) for first, values in names.items()}
    for word in WORD.finditer(text) if names else ():
        for length in lengths.get(word[0], ()):
            end = word.start() + length
            if text[word.start() : end] in names[word[0]] and not text[end : end + 1].isalnum():
                yield Finding("name", "again", word.start(), end, SHAPE)


def _find_said(text: str) -> Iterator[Finding]:
    for title in TITLE.finditer(text):
        match = AFTER_TITLE.match(text, title.end())
        if match and not text[title.start() - 1 : title.start()].isalnum():
            yield _named("title", match.start(), match.end(), text)
    for needles, pattern in ((PHRASES, AFTER_TITLE), (I_AM, INTRODUCED)):
        for needle in needles:
            for at in occurrences(text, needle):
                match = pattern.match(text, at + len(needle))
                if match:
                    yield _named("introduced", match.start(), match.end(), text)
    for match in COLON.finditer(text):
        if LABEL.search(text, max(0, match.start() - 20), match.start()):
            yield _named("field", match.start("name"), match.end("name"), text)
    for closing in CLOSINGS:
        for at in occurrences(text, closing):
            match = SIGNATURE.match(text, at + len(closing))
            if match:
                yield _named("signature", match.start("name"), match.end("name"), text)
    for match in GREETING.finditer(text):
        before = text[max(0, match.start() - LONGEST_INDENT) : match.start()]
        if (before == text[: match.start()] or "\n" in before) and not before.rpartition("\n")[2].strip(" \t>\"'"):
            yield _named("greeting", match.start("name"), match.end("name"), text)
    if "<" in text and "@" in text:
        for at in occurrences(text, "<"):
            name = BEFORE_ADDRESS.match(text, at) and LAST_NAME.search(text, max(0, at - 60), at)
            if name:
                yield _named("before_address", name.start("name"), name.end("name"), text)


def _named(form: str, start: int, end: int, text: str) -> Finding:
    """Without the full stop of a sentence, and without the word that begins the next one."""
    if text[end - 1] == "." and end - start > 2:
        end -= 1
    return Finding("name", form, start, end, CONTEXT)
