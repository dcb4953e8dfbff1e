"""E-mail addresses (RFC 5322's dot-atom, RFC 6531's letters of any script), and those that hide their sign, as `ann [at] mail [dot] org`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundup.text.privacy.finding import CHECKED, CONTEXT, Finding, occurrences

LOCAL = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*\Z")
OPENING = "'-+"
CUT = re.compile(
    r"[=/&?`{|}!#$%^*~]"
)  # RFC 5322 allows these, too, yet before an address they are rather `key=` or a path
DOMAIN = re.compile(
    r"(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+(?:xn--[a-z0-9-]{2,59}|[^\W\d_]{2,24})(?![\w])(?!\.\w)", re.IGNORECASE
)
_OPEN, _CLOSE = r"[\[({<] ?", r" ?[\])}>]"
_DOT = rf"(?: ?{_OPEN}(?:dot|punkt|punto|point|ponto){_CLOSE} ?|\.)"
BRACKETED_AT = re.compile(rf"{_OPEN}[Aa][Tt]{_CLOSE}")
BRACKETED = re.compile(
    rf"[\w.+-]{{1,64}} ?{BRACKETED_AT.pattern} ?[\w-]{{1,63}}(?:{_DOT}[\w-]{{2,63}}){{1,4}}\b", re.IGNORECASE
)
SPOKEN = re.compile(
    r"(?<![\w.+-])[\w.+-]{1,64}(?: dot [\w+-]{1,63}){0,2} at [\w-]{1,63}(?: dot [\w-]{1,63}){0,3} dot (?:com|org|net|edu|gov|info|io|eu|uk|de|at|ch|fr|be|es|it|pt|nl|pl|se|no|dk|fi|ca|us|au|in)\b",
    re.IGNORECASE,
)
SIGNS = ("@", "&#64;", "%40")  # plain, in HTML, in addresses
LONGEST_LOCAL = 64  # RFC 5321, 4.5.3.1.1
FILES = frozenset("png jpg jpeg gif svg webp service socket timer target mount slice conf html css json".split())
ACCOUNTS_OF_PROGRAMS = frozenset(["git", "hg", "svn"])
SURROGATE = re.compile(r"[a-z2-7]{10}@[a-z2-7]{6}\.example")
"""What `pseudonyms` writes: under a top-level name that nobody can have (RFC 2606). It is nobody's, and is not found."""


def find_emails(text: str) -> Iterator[Finding]:
    """All e-mail addresses of a text. `name@2x.png`, `package@1.2.3` and `git@host:path` are none."""
    for at, sign in ((place, one) for one in SIGNS for place in occurrences(text, one)):
        domain = DOMAIN.match(text, at + len(sign))
        if not domain:
            continue
        local = LOCAL.search(text[max(0, at - LONGEST_LOCAL) : at])
        if not local:
            continue
        name = CUT.split(local.group())[-1].lstrip(OPENING)
        start, end = at - len(name), domain.end()
        labels = domain.group().split(".")
        if not name or labels[-1].lower() in FILES or (len(labels) > 2 and labels[0].isdigit()):
            continue
        if (name in ACCOUNTS_OF_PROGRAMS and text[end : end + 1] in (":", "/")) or SURROGATE.fullmatch(
            text, start, end
        ):
            continue
        yield Finding("email", "email", start, end, CHECKED)
    for sign_hit in BRACKETED_AT.finditer(text):
        yield from _spelled(BRACKETED, text, sign_hit.start(), sign_hit.end())
    for dot in occurrences(text, " dot ", " DOT "):
        yield from _spelled(SPOKEN, text, dot, dot + 5)


def _spelled(pattern: re.Pattern[str], text: str, start: int, end: int) -> Iterator[Finding]:
    match = pattern.search(text, max(0, start - 2 * LONGEST_LOCAL), end + 80)
    if match and match.start() < start and end <= match.end():
        yield Finding("email", "spelled_out", match.start(), match.end(), CONTEXT)
