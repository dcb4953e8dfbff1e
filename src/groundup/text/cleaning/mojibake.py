"""Mojibake: UTF-8 that was read in another encoding (`donâ€™t`, `caf√©`), found and undone.

Read back as bytes and decoded as UTF-8, a damaged line gives a text, and almost no other line does: in correct text the
characters that stand for lead and continuation bytes hardly ever come in the right order. Still they sometimes do (`l’école`
read as MacRoman ends in an Armenian letter, `LIBERTÉ»` in a phonetic sign), so three things are asked for:

- Every character of a line beyond ASCII takes part; one that doesn't leaves the line as it is.
- What comes out is plausible: a letter of a foreign script stands among its like, never alone or inside a Latin word.
- At least one place in the line is clear: what stands there is nothing that correct text has. Lines without such a place
  follow the rest of the document, if that is clearly damaged.

A document that speaks of encodings shows mojibake on purpose; it is left alone unless it is damaged throughout.
"""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from functools import cache
from itertools import groupby

MANY_LINES = 10
A_WORD = 3
"""So many letters of a script are there on purpose, even beside a Latin letter (`\\fIпараметр`)."""
SPEAKS_OF_ENCODINGS = re.compile(
    r"mojibake|\bUTF-?8|\bLatin-?1|\bISO-?8859|\bcp-?(?:1252|1251|437|850)|windows-125|mac-?_?roman|\bftfy\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Encoding:
    """An encoding that UTF-8 is often mistaken for."""

    name: str
    codec: str
    shy: str
    """Characters for continuation bytes that correct text, too, may have behind one for a lead byte."""
    needs_letter_before: str = ""
    """Those of them that correct text may even have between such a character and a letter (`√π`)."""


# Signs and quotation marks stand behind capital letters in correct text: `CAFÉ”`, `É…`.
_shy_western = "€‚„…‰‹›‘’“”•–—™\xa0«»ªº°²³¹®©·´"
_shy_mathematics = "π∂∑∏∫∞±≤≥≠µΩªº"
ENCODINGS = (
    Encoding("Windows-1252", "cp1252", _shy_western),
    Encoding("MacRoman", "mac_roman", _shy_mathematics, needs_letter_before=_shy_mathematics),
    Encoding("Windows-1251", "cp1251", _shy_western + "ЂЃѓЉЊЌЋЏђљњќћџЎўЈҐЁЄЇІіґё№єјЅѕї"),
    Encoding("code page 437", "cp437", "ªº«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐"),
    Encoding("code page 850", "cp850", "ªº«»░▒▓│┤╣║╗╝┐ÁÂÀ©¢¥®"),
)
# Behind these a word may go on in correct text: `CAFÉ’s`, `PÅ—det`.
_word_may_go_on = frozenset("‘’“„–—…\xa0·°")
_two_beyond_ascii = re.compile(r"[^\x00-\x7f]{2,}")
_quoting = {'"': '"', "'": "'", "`": "`", "(": ")", "[": "]", "<": ">"}


@dataclass(frozen=True)
class Table:
    """An encoding's characters by the part they play in UTF-8."""

    bytes_of: dict[int, int]
    sequence: re.Pattern[str]
    """Two to four characters that stand for the bytes of one."""


@cache
def table_of(encoding: Encoding) -> Table:
    """Both ways that an undefined byte is read (dropped to a control character or refused) are covered by the former."""
    characters = {byte: chr(byte) for byte in range(0x80, 0x100)}
    for byte in range(0x80, 0x100):
        try:
            characters[byte] = bytes([byte]).decode(encoding.codec)
        except UnicodeDecodeError:
            continue
    bytes_of = {byte: byte for byte in range(0x80)}
    if encoding.codec == "cp1252":
        bytes_of |= {byte: byte for byte in range(0x80, 0xA0)}  # and so is Latin-1, which has control characters there
    bytes_of |= {ord(character): byte for byte, character in characters.items()}

    def members(first: int, last: int) -> str:
        return "[" + "".join(re.escape(chr(code)) for code, byte in bytes_of.items() if first <= byte <= last) + "]"

    after = members(0x80, 0xBF)
    two, three, four = members(0xC2, 0xDF), members(0xE0, 0xEF), members(0xF0, 0xF4)
    return Table(bytes_of, re.compile(f"{two}{after}|{three}{after}{{2}}|{four}{after}{{3}}"))


def repair_mojibake(text: str) -> tuple[str, dict[str, int]]:
    """The text with its mojibake undone, and how many lines were repaired, by the encoding that they had been read in.

    Text that was damaged twice is repaired twice; a line counts each time. A text without mojibake comes back as it is. Where
    several encodings are possible, the one that mends the most lines is taken, and of equal ones that which gives the fewest
    unusual letters: code pages 437 and 850 share most characters, and `nov├¢` would be `novÛ` or `nový`.
    """
    repaired: dict[str, int] = {}
    while not text.isascii():
        stretches = "\n".join(_two_beyond_ascii.findall(text))  # all that a sequence could stand in
        possible = [
            (encoding, *_repair_from(text, encoding))
            for encoding in ENCODINGS
            if table_of(encoding).sequence.search(stretches)
        ]
        possible = [one for one in possible if one[2]]
        if not possible:
            break
        most = max(lines for _, _, lines in possible)
        best = [one for one in possible if one[2] == most]
        encoding, text, lines = best[0] if len(best) == 1 else min(best, key=lambda one: _unusual(one[1]))
        repaired[encoding.name] = repaired.get(encoding.name, 0) + lines
    return text, repaired


def _repair_from(text: str, encoding: Encoding) -> tuple[str, int]:
    table = table_of(encoding)
    lines = text.split("\n")
    clear: dict[int, str] = {}
    unclear: dict[int, str] = {}
    others = 0
    for index, line in enumerate(lines):
        if line.isascii():
            continue
        decoded = _read_back(line, table)
        if decoded is None or not _plausible(decoded):
            others += 1
        elif _is_clear(line, decoded, encoding, table):
            clear[index] = decoded
        else:
            unclear[index] = decoded
    if clear and SPEAKS_OF_ENCODINGS.search(text) and (others or len(clear) < MANY_LINES):
        return text, 0
    if len(clear) >= 3 and len(clear) >= 3 * others:
        clear |= unclear
    for index, decoded in clear.items():
        lines[index] = decoded
    return "\n".join(lines), len(clear)


def _read_back(line: str, table: Table) -> str | None:
    """The line's bytes in the encoding, read as UTF-8; None where it has other characters or they are no UTF-8."""
    try:
        return codecs.charmap_encode(line, "strict", table.bytes_of)[0].decode("utf-8")
    except UnicodeError:
        return None


def _unusual(text: str) -> int:
    """How many letters stand there that are rarer than those which they may be taken for: capitals, and Esperanto's."""
    return sum(character.isupper() or character in "ĉĝĥĵŝ" for character in text)


def _script(character: str) -> str:
    """A rough script of a letter, enough to see that two belong together; empty for what belongs anywhere.

    Signs of Cyrillic and Armenian belong to them as well, for correct text has their bytes (`“Ça`, `l’ús`).
    """
    code = ord(character)
    if code < 0x240 or 0x2B0 <= code < 0x340:
        return ""  # Latin, and marks for letters
    if code >= 0x600 and unicodedata.category(character)[0] not in "LM":
        return ""
    if 0x1D00 <= code < 0x1F00 or 0x2000 <= code < 0x2190 or 0x1D400 <= code < 0x1D800:
        return ""  # more of Latin, and letters of formulas
    for name, last in (
        ("phonetic", 0x2AF),  # and Latin letters of few languages
        ("rare marks", 0x36F),
        ("Greek", 0x3FF),
        ("Cyrillic", 0x52F),
        ("Armenian", 0x58F),
        ("Hebrew", 0x5FF),
    ):
        if code <= last:
            return name
    if 0x1F00 <= code < 0x2000:
        return "Greek"
    return "far east" if code >= 0x2E80 else hex(code >> 9)


def _plausible(decoded: str) -> bool:
    """Whether each character beyond ASCII may stand where it does."""
    if any(unicodedata.category(character) in ("Cn", "Co", "Cs") for character in decoded if not character.isascii()):
        return False
    scripts = [_script(character) for character in decoded]
    counts = Counter(scripts)
    end = 0
    for script, run in groupby(scripts):
        begin, end = end, end + len(list(run))
        if not script:
            continue
        latin = [
            neighbour.isascii() and neighbour.isalpha()
            for neighbour in (decoded[begin - 1 : begin], decoded[end : end + 1])
        ]
        if script == "Greek":  # stands alone in formulas
            if end - begin == 1 and all(latin):
                return False
            continue
        if any(latin) and script != "far east" and end - begin < A_WORD:
            return False
        if end - begin == 1 and counts[script] < A_WORD:
            return False
    return True


def _is_clear(line: str, decoded: str, encoding: Encoding, table: Table) -> bool:
    if re.search(r"[^\W\da-zA-Z\u00c0-\u024f]{3}", decoded):  # a word in another script, or what is damaged twice
        return True
    for match in table.sequence.finditer(line):
        before, after = line[match.start() - 1 : match.start()], line[match.end() : match.end() + 1]
        if before and _quoting.get(before) == after:
            continue  # shown, not used
        lead, rest = match[0][0], match[0][1:]
        if any(character not in encoding.shy for character in rest) or match[0].startswith("â€"):
            return True
        if before.isalpha() and (before.islower() or not lead.isalpha()) and not lead.islower():
            return True  # a sign or a capital letter within a word
        if rest[-1] in encoding.needs_letter_before:
            continue
        if before.isdigit() and lead.isalpha():
            return True
        if after.isascii() and after.isalnum() and not after.isupper() and rest[-1] not in _word_may_go_on:
            return True
    return False
