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
TITLES = (
    "Mr. ", "Mr ", "Mrs. ", "Mrs ", "Ms. ", "Ms ", "Miss ", "Mx. ", "Dr. ", "Dr ", "Prof. ", "Professor ", "Sir ", "Herr ", "Herrn ", "Frau ", "Mme ", "Mme. ", "Mlle ", "Monsieur ", "Madame ",
    "Sr. ", "Sra. ", "Señor ", "Señora ", "Doña ", "Sig. ", "Sig.ra ", "Signor ", "Signora ", "Dott. ", "Dott.ssa ", "Dhr. ", "Mevr. ", "Mevrouw ",
)  # fmt: skip
PHRASES = (
    "name is ", "names are ", "name's ", "called by the name ", "ich heiße ", "Ich heiße ", "Name ist ", "m'appelle ", "m’appelle ", "me llamo ", "Me llamo ", "nombre es ", "mi chiamo ", "Mi chiamo ", "me chamo ", "Me chamo ", "ik heet ", "Ik heet ",
    "signed by ", "Signed by ", "Signed, ", "Signed: ", "Attn: ", "Attn. ", "ATTN: ", "c/o ", "on behalf of ", "contact person ", "Contact: ", "speak to ", "speak with ",
)  # fmt: skip
AFTER_TITLE = re.compile(NAME)
FULL = re.compile(FULL_NAME)
GREETING = re.compile(
    rf"^[ \t>]*(?:Dear|Hi|Hello|Hey|Good (?:morning|afternoon|evening),?|Liebe[r]?|Hallo|Cher|Chère|Bonjour|Estimad[oa]|Querid[oa]|Hola|Gentile|Car[oa]|Ciao|Beste|Prezad[oa])[ ]+(?P<name>{NAME})(?=[,!:.\n]| [-–—])",
    re.MULTILINE,
)
SIGNATURE = re.compile(
    rf"(?:[Rr]egards|[Ss]incerely(?: yours)?|[Yy]ours(?: truly| faithfully| sincerely)?|[Cc]heers|[Tt]hanks|[Tt]hank you|[Bb]est(?: wishes)?|[Gg]rüße[n]?|MfG|[Cc]ordialement|[Ss]aludos|[Aa]tentamente|[Cc]ordiali saluti|[Mm]et vriendelijke groet(?:en)?|[Aa]tenciosamente),?\n{{1,3}}[ \t]*(?P<name>{NAME})(?= *(?:\n|$|,))"
)
FIELD = re.compile(
    rf"(?:(?<![A-Za-z])(?:[Ff]ull[ _]?[Nn]ame|[Nn]ame|NAME|[Pp]atient(?:[ _]name)?|[Cc]ustomer(?:[ _]name)?|[Cc]lient|[Ee]mployee|[Rr]ecipient|[Ss]ender|[Hh]older|[Aa]pplicant|[Ss]igned|From|To|Cc|Bcc|Reply-To|Nom|Nombre|Nome|[Bb]eneficiary|[Aa]ccount holder|[Cc]ontact))[\"']?[ \t]*[:=][ \t]*[\"']?(?P<name>{FULL_NAME})(?=[\"',;|<(\n\t]|$| [<(]|\.[\n ]|\.$)"
)
BEFORE_ADDRESS = re.compile(rf"(?P<name>{FULL_NAME})[\"']? ?<(?=[^<>\s@]{{1,64}}@)")
INTRODUCED = re.compile(
    rf"\b(?:I am|I'm|I’m|This is|this is|Ich bin|Je suis|Soy|Sono) (?P<name>{FULL_NAME})(?=[,.;!\n]|$| (?:and|from|calling|writing|with|at|aus|und|de|y|e)\b)"
)
NOT_NAMES = frozenset(
    [
        "The",
        "This",
        "That",
        "There",
        "Here",
        "Sir",
        "Madam",
        "Team",
        "All",
        "Everyone",
        "Everybody",
        "Colleague",
        "Colleagues",
        "Customer",
        "Customers",
        "Friend",
        "Friends",
        "User",
        "Users",
        "Reader",
        "Readers",
        "World",
        "God",
        "Lord",
        "Hiring",
        "Manager",
        "President",
        "Minister",
        "Chairman",
        "Speaker",
        "Secretary",
        "Editor",
        "Doctor",
        "Professor",
        "Python",
        "Windows",
        "Linux",
        "Monday",
        "Tuesday",
        "Wednesday",
        "Thursday",
        "Friday",
        "Saturday",
        "Sunday",
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
        "English",
        "German",
        "French",
        "Spanish",
        "Italian",
        "American",
        "British",
        "Not",
        "And",
        "But",
        "If",
        "When",
        "Yes",
        "No",
        "It",
        "He",
        "She",
        "They",
        "We",
        "You",
    ]
)


def find_names(text: str) -> Iterator[Finding]:
    """Names behind a title, a greeting, a signature or a field, and each later mention of one that was found in full."""
    full: set[str] = set()
    for finding in _find_said(text):
        value = text[finding.start : finding.end]
        words = value.split()
        if words[0] in NOT_NAMES or (len(words) == 1 and len(value.rstrip(".")) < 2):
            continue
        if len(words) > 1:
            full.add(value)
        yield finding
    for value in sorted(full):
        for at in occurrences(text, value):
            if not text[at - 1 : at].isalnum() and not text[at + len(value) : at + len(value) + 1].isalnum():
                yield Finding("name", "again", at, at + len(value), SHAPE)


def _find_said(text: str) -> Iterator[Finding]:
    for needles, form, pattern in ((TITLES, "title", AFTER_TITLE), (PHRASES, "introduced", AFTER_TITLE)):
        for needle in needles:
            for at in occurrences(text, needle):
                match = pattern.match(text, at + len(needle))
                if (match and not text[at - 1 : at].isalnum()) or (
                    match and needle[0] in "nN" and text[at - 1 : at] in " \n"
                ):
                    yield _named(form, match.start(), match.end(), text)
    for form, pattern, needed in (
        ("greeting", GREETING, ","),
        ("signature", SIGNATURE, "\n"),
        ("field", FIELD, ""),
        ("before_address", BEFORE_ADDRESS, "@"),
        ("introduced", INTRODUCED, ""),
    ):
        if needed in text:
            for match in pattern.finditer(text):
                yield _named(form, match.start("name"), match.end("name"), text)


def _named(form: str, start: int, end: int, text: str) -> Finding:
    """Without the full stop of a sentence, and without the word that begins the next one."""
    if text[end - 1] == "." and end - start > 2:
        end -= 1
    return Finding("name", form, start, end, CONTEXT)
