"""Payment cards (ISO/IEC 7812) and bank accounts (IBAN, ISO 13616)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundup.text.privacy.checksums import luhn, mod_97
from groundup.text.privacy.finding import CHECKED, CONTEXT, SHAPE, Finding, said_before

CARD = re.compile(r"(?<![\w.+/-])(?<!\d[ ])[1-9][0-9]{3}(?:[ .-]?[0-9]){9,15}(?![\w])(?!-\w)(?![.][0-9])")
GROUPS = re.compile(
    r"[0-9]{4}(?:([ .-])[0-9]{4})(?:\1[0-9]{4}){1,2}(?:\1[0-9]{1,3})?|[0-9]{4}([ -])[0-9]{6}\2[0-9]{4,5}|[0-9]{6} [0-9]{13}|[0-9]+"
)
CARD_WORDS = r"cards?\b|visa|master|amex|american express|karte|kreditk|carte|tarjeta|carta|cartão|kaart"
SERIAL_WORDS = r"isbn|ean|upc|gtin|imei|serial|tracking|order|invoice|uuid|hash|barcode"


def issued(digits: str) -> bool:
    """Whether a network gives out such numbers: its leading digits with their lengths (the ranges of ISO/IEC 7812-2's registrants)."""
    first_two, first_four, length = int(digits[:2]), int(digits[:4]), len(digits)
    if digits[0] == "4":
        return length in (13, 16, 19)  # Visa
    if 51 <= first_two <= 55 or 2221 <= first_four <= 2720 or first_four == 9792:
        return length == 16  # Mastercard, Troy
    if 2200 <= first_four <= 2204:
        return 16 <= length <= 19  # Mir
    if first_two in (34, 37):
        return length == 15  # American Express
    if first_two in (36, 38, 39) or 300 <= first_four // 10 <= 305:
        return 14 <= length <= 19  # Diners Club
    if first_four == 6011 or first_two in (64, 65) or 3528 <= first_four <= 3589 or first_two in (60, 81, 82):
        return 16 <= length <= 19  # Discover, JCB, RuPay
    if first_two == 62:
        return 16 <= length <= 19  # UnionPay
    return first_two in (50, 56, 57, 58, 63, 67, 68, 69) and 13 <= length <= 19  # Maestro and others


def find_cards(text: str, spans: list[tuple[int, int]]) -> Iterator[Finding]:
    """Numbers of 13 to 19 digits that a network gives out and whose Luhn digit is right, in usual groups or in one.

    What is called a card need not have the right digits: somebody may have mistyped it. A number of 13 digits in one, as times in
    milliseconds and bar codes are, must be called one.
    """
    for start, end in spans:
        for match in CARD.finditer(text, start, end):
            number = match.group()
            if not GROUPS.fullmatch(number):
                continue
            digits = "".join(character for character in number if character.isdigit())
            if len(set(digits)) < 2:
                continue
            if said_before(text, match.start(), CARD_WORDS, 30):
                certainty = CHECKED + 1 if issued(digits) and luhn(digits) else SHAPE
                yield Finding("card", "card", match.start(), match.end(), certainty)
            elif (
                issued(digits)
                and luhn(digits)
                and len(number) > 13
                and not said_before(text, match.start(), SERIAL_WORDS, 25)
            ):
                certainty = CHECKED if len(number) > len(digits) else CONTEXT
                yield Finding("card", "card", match.start(), match.end(), certainty)


IBAN_LENGTHS = {
    country: int(length)
    for length, countries in {
        "15": "NO",
        "16": "BE",
        "18": "DK FI FO GL NL SD FK",
        "19": "MK SI",
        "20": "AT BA EE KZ LT LU XK MN",
        "21": "CH HR LI LV",
        "22": "BG BH CR DE GB GE IE ME RS VA",
        "23": "AE GI IL IQ OM SO TL",
        "24": "AD CZ ES MD PK RO SA SE SK TN VG",
        "25": "LY PT ST",
        "26": "IS TR",
        "27": "BI DJ FR GR IT MC MR SM",
        "28": "AL AZ BY CY DO GT HU LB NI PL SV",
        "29": "BR EG PS QA UA",
        "30": "JO KW MU YE",
        "31": "MT SC",
        "32": "LC",
        "33": "RU",
    }.items()
    for country in countries.split()
}
"""Characters of an IBAN by country: SWIFT's IBAN registry."""
IBAN = re.compile(
    r"(?<![A-Za-z0-9])([A-Z]{2})[0-9]{2}(?:[ \n-]?[A-Z0-9]){11,30}|(?<![A-Za-z0-9])([a-z]{2})[0-9]{2}(?:[ \n]?[a-z0-9]){11,30}"
)


def find_iban(text: str, start: int) -> Finding | None:
    """The IBAN that begins at `start`, in groups of four or in one: a country's length, and mod 97 = 1 unless it is called one."""
    match = IBAN.match(text, start)
    if not match:
        return None
    length = IBAN_LENGTHS.get((match.group(1) or match.group(2)).upper())
    if length is None:
        return None
    characters, end = "", start
    while len(characters) < length and end < match.end():
        if text[end].isalnum():
            characters += text[end]
        end += 1
    whole = len(characters) == length and not text[end : end + 1].isalnum()
    called = characters[2:4] != "00" and said_before(text, start, "iban", 20)
    if whole and (called or mod_97(characters.upper())):
        return Finding("iban", f"iban_{characters[:2].lower()}", start, end, CHECKED)
    return None
