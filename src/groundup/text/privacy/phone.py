"""Telephone numbers: international ones (ITU-T E.164) of any country, national ones in the usual groups of some, and any that is called one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundup.text.privacy.finding import CHECKED, CONTEXT, SHAPE, Finding, said_before, words_pattern

COUNTRY_CODES = frozenset(
    """1 7 20 27 30 31 32 33 34 36 39 40 41 43 44 45 46 47 48 49 51 52 53 54 55 56 57 58 60 61 62 63 64 65 66 81 82 84 86 90 91 92
    93 94 95 98 211 212 213 216 218 220 221 222 223 224 225 226 227 228 229 230 231 232 233 234 235 236 237 238 239 240 241 242 243
    244 245 246 247 248 249 250 251 252 253 254 255 256 257 258 260 261 262 263 264 265 266 267 268 269 290 291 297 298 299 350 351
    352 353 354 355 356 357 358 359 370 371 372 373 374 375 376 377 378 380 381 382 383 385 386 387 389 420 421 423 500 501 502 503
    504 505 506 507 508 509 590 591 592 593 594 595 596 597 598 599 670 672 673 674 675 676 677 678 679 680 681 682 683 685 686 687
    688 689 690 691 692 800 808 850 852 853 855 856 870 878 880 881 882 883 886 888 960 961 962 963 964 965 966 967 968 970 971 972
    973 974 975 976 977 979 992 993 994 995 996 998""".split()
)
"""Assigned country codes: ITU, list of E.164 country codes. 999 is nobody's: `pseudonyms` uses it."""
LONGEST = {
    "1": 11,
    "7": 11,
    "33": 11,
    "34": 11,
    "44": 12,
    "61": 11,
    "31": 11,
    "32": 11,
    "55": 13,
    "91": 12,
    "86": 13,
    "48": 11,
}
"""Digits of a whole number, country code included, where a plan fixes them: what stands behind is something else."""
WORDS = (
    r"tel\b|tel[.:]|tele?(?:ph|f)on|tél|teléf|phones?\b|mobile?\b|móvil|cell|cel[.:]|celular|handy|fax|whatsapp|sms"
    r"|fone\b|portable|gsm\b|ph[.:]|mob[.:]|rufnummer|rückruf|appel|ll[aá]m|my number|mi n[úu]mero|mio numero|mon numéro|meine nummer|chiama|puhelin"
    r"|☎|📞|電話|电话|手机|тел|携帯|連絡先|전화|휴대폰|연락처|โทร|หมายเลข|फ़ोन|هاتف"
)
VERBS = r"(?:call|ring|dial|text|contact|reach)\b"  # which may be said of other things as well, and must stand closer
NOT_WORDS = r"closes|isbn|issn|order|invoice|version|serial|part no|sku|uuid|hash|ticket|case no|account no|tracking|ean\b|doi|build|bestell|rechnung|patent"
_GAP = r"[ .\-\u00a0\u2010-\u2013]"
_LEFT = r"(?<![\w+])(?<![\d)][./:\-])(?<!\d[ ]{1}\()"
_RIGHT = r"(?![^\Wx]|x(?![0-9]))(?![./:\-]\d)(?!-\w)"
INTERNATIONAL = re.compile(
    r"(?<![\w+])(?:\(?\+\(?|(?<![.,/:\-])00(?=[1-9])|(?<![.,/:\-])00 (?=[1-9][0-9] ))[1-9](?:[ .\-/()\u00a0\u2010-\u2013]{0,3}[0-9]){6,14}(?:(?!\d)|$)"
)
EXTENSION = re.compile(
    r" ?(?:x|ext\.? ?|#|poste |Durchwahl |-)[0-9]{1,5}(?!\w)|,? (?:ext\.?|extension) [0-9]{1,5}(?!\w)"
)
NORTH_AMERICAN = re.compile(
    rf"{_LEFT}(?:(?:\+?1|001){_GAP}?)?(?:\([2-9][0-8][0-9]\) ?-?|[2-9][0-8][0-9][.\- /])[2-9][0-9]{{2}}[.\- ][0-9]{{4}}{_RIGHT}"
)
TRUNK = re.compile(
    rf"{_LEFT}(?:\(0[1-9][0-9]{{0,4}}\)|0[1-9][0-9]{{0,4}})(?:(?:{_GAP}|[/ ]{{1,3}}| ?[\-–] ?|(?<=\)))[0-9]{{1,8}}){{1,5}}{_RIGHT}|{_LEFT}0[1-9][0-9]{{7,10}}{_RIGHT}"
)
GROUPED = [
    re.compile(_LEFT + shape + _RIGHT)
    for shape in (
        r"[6789][0-9]{2}[ -][0-9]{2}[ -][0-9]{2}[ -][0-9]{2}",  # Spain
        r"9[0-9][ -][0-9]{3}[ -][0-9]{2}[ -][0-9]{2}",  # Spain
        r"\([1-9][0-9]\) ?9?[0-9]{4}[ -][0-9]{4}|[1-9][1-9] 9[0-9]{4}-[0-9]{4}",  # Brazil
        r"[6-9][0-9]{4} [0-9]{5}",  # India
        r"1[3-9][0-9][ -][0-9]{4}[ -][0-9]{4}",  # China
        r"3[1-9][0-9][ .-][0-9]{3}[ .-]?[0-9]{4}",  # Italy
        r"8 ?\(?[3489][0-9]{2}\)? ?[0-9]{3}-[0-9]{2}-[0-9]{2}",  # Russia
    )
]
CALLED = re.compile(rf"(?<![\w./+])(?<!\+\()\(?[0-9](?:[ .\-/()\u00a0\u2013]{{0,3}}[0-9]){{6,13}}{_RIGHT}")
MOBILE_PREFIXES = re.compile(r"07[1-9][0-9]{8}|0[67][0-9]{8}|01[5-7][0-9]{8,9}|0[789]0[0-9]{8}|04[0-9]{8}")
DATE_LIKE = re.compile(
    r"[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{4}.*|[0-9]{4}[./-][0-9]{1,2}[./-][0-9]{1,2}.*|[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2}"
)
_BETWEEN = r"[ .\-/()\u00a0\u2010-\u2013]{0,3}"
SURROGATE = re.compile(
    rf"(?:\+\(?|(?<!\w)00{_BETWEEN})9{_BETWEEN}9{_BETWEEN}9(?:{_BETWEEN}[0-9]){{1,14}}|(?<!\w)0{_BETWEEN}0{_BETWEEN}0(?:{_BETWEEN}[0-9]){{1,14}}"
)
"""What `pseudonyms` writes: no country has the code 999, and no number begins with 000."""
NOT_CALLED = re.compile(DATE_LIKE.pattern + r"|[0-9]+\.[0-9]+(?: ?[–-] ?[0-9]+\.[0-9]+)?")
NATIONAL_DIGITS = range(9, 13)
FEWEST = 8  # digits of an international number; small countries, whose code has three, have shorter ones


def find_phones(text: str, spans: list[tuple[int, int]]) -> Iterator[Finding]:
    """All telephone numbers in stretches with many digits."""
    for start, end in spans:
        ours = [match.span() for match in SURROGATE.finditer(text, start, end)]
        for finding in _find_between(text, start, end):
            if all(finding.end <= begin or finding.start >= stop for begin, stop in ours):
                yield finding


def _find_between(text: str, start: int, end: int) -> Iterator[Finding]:
    for match in INTERNATIONAL.finditer(text, start, end):
        finding = _international(text, match)
        if finding:
            yield finding
    for match in NORTH_AMERICAN.finditer(text, start, end):
        if not _called_else(text, match.start()):
            yield _with_extension(text, "north_american", match.start(), match.end(), CONTEXT)
    for match in TRUNK.finditer(text, start, end):
        if _is_national(match.group()) and not _called_else(text, match.start()):
            yield _with_extension(text, "national", match.start(), match.end(), SHAPE)
    for pattern in GROUPED:
        for match in pattern.finditer(text, start, end):
            if not _called_else(text, match.start()):
                yield Finding("phone", "national", match.start(), match.end(), SHAPE)
    for match in CALLED.finditer(text, start, end):
        number = match.group()
        if number.count("(") != number.count(")") or NOT_CALLED.fullmatch(number):
            continue
        if _called(text, match.start()) and not _called_else(text, match.start()):
            yield _with_extension(text, "called", match.start(), match.end(), CONTEXT)


def _digits(number: str) -> str:
    return "".join(character for character in number if character.isdigit())


def _called_else(text: str, start: int) -> bool:
    """Whether it is called an order number or the like, and not a telephone number as well."""
    return said_before(text, start, NOT_WORDS, 25) and not said_before(text, start, WORDS, 15)


def _called(text: str, start: int) -> bool:
    return said_before(text, start, WORDS, 25) or (
        words_pattern(VERBS).search(text, max(0, start - 18), start) is not None and text[start - 1] not in "#[\n"
    )


def _is_national(number: str) -> bool:
    """Whether a number that begins with the trunk prefix 0 is as long and as grouped as telephone numbers are."""
    digits = _digits(number)
    if len(digits) not in NATIONAL_DIGITS or DATE_LIKE.fullmatch(number):
        return False
    if re.fullmatch("[0-9]{5}-[0-9]{4}", number):
        return False  # a postal code of the United States
    if number == digits:
        return MOBILE_PREFIXES.fullmatch(number) is not None
    groups = re.findall("[0-9]+", number)
    return max(map(len, groups)) >= 3 or all(len(group) == 2 for group in groups)


def _international(text: str, match: re.Match[str]) -> Finding | None:
    """A number with + or 00: its country code must be assigned, and it is cut where that country's numbers end."""
    number = match.group()
    digits = _digits(number)
    if not number.startswith(("+", "(+")):
        digits = digits[2:]
        if len(number) == len(_digits(number)) and not said_before(text, match.start(), WORDS, 25):
            return None  # 00 and digits alone may be anything
    code = next((digits[:length] for length in (1, 2, 3) if digits[:length] in COUNTRY_CODES), None)
    if (
        len(number) == len(digits) + 1
        and text[match.end() : match.end() + 1] == "."
        and text[match.end() + 1 : match.end() + 2].isdigit()
    ):
        return None  # a decimal fraction with its sign
    if (
        code is None
        or not FEWEST - (len(code) == 3)
        <= len(digits) - (digits[len(code) :].startswith("0") and "(0)" in number)
        <= 15
    ):
        return None
    end = match.end()
    most = LONGEST.get(code, 15) + ("(0)" in number)
    while len(digits) > most:  # a year or another number that stands behind
        cut = re.search(r"[^0-9]+[0-9]+$", text[match.start() : end])
        if cut is None:
            return None
        end = match.start() + cut.start()
        digits = _digits(text[match.start() : end]).removeprefix("00")
    if len(digits) < FEWEST - (len(code) == 3) or text[end : end + 1].isalpha():
        return None
    return _with_extension(text, "international", match.start(), end, CHECKED)


def _with_extension(text: str, form: str, start: int, end: int, certainty: int) -> Finding:
    extension = EXTENSION.match(text, end)
    return Finding("phone", form, start, extension.end() if extension else end, certainty)
