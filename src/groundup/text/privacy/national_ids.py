"""Numbers by which states know persons: each with its shape, its check and, where these are weak, the words that must stand before it."""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from groundup.text.privacy.checksums import ean, luhn, mod_11_2, mod_11_10, verhoeff, weighted
from groundup.text.privacy.finding import CHECKED, CONTEXT, Finding, occurrences, said_before


@dataclass(frozen=True)
class NationalId:
    """One kind of number."""

    form: str
    shape: str
    """A regular expression; what stands around it is taken care of by `pattern`."""
    valid: Callable[[str], bool]
    """Whether the characters, without separators and in capitals, can be such a number."""
    words: str = ""
    """Alternatives of which one must stand before it; empty where shape and check are enough."""
    named: str = ""
    """Its own name: right behind it, a number of this shape is one even if its check fails, since people mistype."""
    bare_words: str = ""
    """The same, for a number written without separators."""

    @property
    def pattern(self) -> re.Pattern[str]:
        """The shape, not as part of a longer number or word."""
        shape = self.shape.replace(r"\d", "[0-9]")  # the checks read no other digits
        return re.compile(rf"(?<![\w+])(?<!\d[./-])(?:{shape})(?![\w])(?![./-]\d)(?!-\w)")


def _date(year: str, month: str, day: str, centuries: tuple[int, ...] = (1900, 2000)) -> bool:
    """Whether such a day is in the calendar, of any of the centuries if the year has two digits."""
    years = [int(year)] if len(year) == 4 else [century + int(year) for century in centuries]
    for each in years:
        try:
            datetime.date(each, int(month), int(day))
        except ValueError:
            continue
        return each >= 1850
    return False


def us_ssn(number: str) -> bool:
    """Social Security Administration: no area 000 or 666, no group 00, no serial 0000; area 9xx is a taxpayer number (IRS)."""
    area, group, serial = int(number[:3]), int(number[3:5]), int(number[5:])
    if area >= 900:
        return 50 <= group <= 65 or 70 <= group <= 88 or 90 <= group <= 92 or 94 <= group <= 99
    return area not in (0, 666) and group != 0 and serial != 0


def uk_nino(number: str) -> bool:
    """HM Revenue & Customs, NIM39110: letters and prefixes that are not given out."""
    if number[0] in "DFIQUV" or number[1] in "DFIOQUV" or number[-1] not in "ABCD":
        return False
    return number[:2] not in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ")


def uk_nhs(number: str) -> bool:
    """NHS data dictionary: weights 10 to 2, 11 minus the remainder."""
    check = (11 - weighted(number[:9], range(10, 1, -1)) % 11) % 11
    return check != 10 and check == int(number[9]) and len(set(number)) > 2


def fr_nir(number: str) -> bool:
    """INSEE: the key is 97 minus the number modulo 97, Corsica's 2A and 2B read as 19 and 18."""
    body = number[:13].replace("2A", "19").replace("2B", "18")
    return body.isdigit() and 97 - int(body) % 97 == int(number[13:])


def es_dni(number: str) -> bool:
    """Ministerio del Interior: the letter is the number modulo 23; X, Y and Z of a foreigner's count as 0, 1, 2."""
    digits = number[:-1].replace("X", "0").replace("Y", "1").replace("Z", "2")
    return "TRWAGMYFPDXBNJZSQVHLCKE"[int(digits) % 23] == number[-1]


_ODD_DIGITS = [1, 0, 5, 7, 9, 13, 15, 17, 19, 21]
_ODD_LETTERS = [*_ODD_DIGITS, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23]
_ODD = dict(zip("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", [*_ODD_DIGITS, *_ODD_LETTERS], strict=True))


def it_codice_fiscale(number: str) -> bool:
    """Decreto ministeriale of 23 December 1976: odd places by a table, even ones by their value, modulo 26."""
    even = sum(int(character, 36) - (0 if character.isdigit() else 10) for character in number[1:15:2])
    return chr(65 + (even + sum(_ODD[character] for character in number[:15:2])) % 26) == number[15]


def de_tax_id(number: str) -> bool:
    """Steuer-Identifikationsverordnung: of the first ten digits one comes two or three times, the others once at most."""
    most = sorted((number[:10].count(digit) for digit in set(number[:10])), reverse=True)
    return number[0] != "0" and most[0] in (2, 3) and most[1] == 1 and mod_11_10(number)


def de_social(number: str) -> bool:
    """Verordnung über die Versicherungsnummer, § 4: the letter as two digits, weights 2 1 2 5 7 1 2 1 2 1 2 1, digit sums."""
    digits = number[:8] + f"{ord(number[8]) - 64:02d}" + number[9:]
    total = sum(
        sum(divmod(int(digit) * weight, 10))
        for digit, weight in zip(digits[:12], (2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1), strict=True)
    )
    return total % 10 == int(digits[12])


def in_aadhaar(number: str) -> bool:
    """UIDAI: twelve digits, the first not 0 or 1, Verhoeff's check; not three years in a row."""
    years = all(number[index : index + 2] in ("19", "20") for index in (0, 4, 8))
    return not years and verhoeff(number)


def br_cpf(number: str) -> bool:
    """Receita Federal: two check digits, weights 10 to 2 and 11 to 2."""
    first = weighted(number[:9], range(10, 1, -1)) * 10 % 11 % 10
    second = weighted(number[:10], range(11, 1, -1)) * 10 % 11 % 10
    return len(set(number)) > 1 and number[9:] == f"{first}{second}"


def nl_bsn(number: str) -> bool:
    """The elfproef: weights 9 to 2 and -1."""
    return number != "000000000" and weighted(number, (9, 8, 7, 6, 5, 4, 3, 2, -1)) % 11 == 0


def pl_pesel(number: str) -> bool:
    """Ministerstwo Cyfryzacji: weights 1 3 7 9, and a date whose month carries the century."""
    check = (10 - weighted(number[:10], (1, 3, 7, 9, 1, 3, 7, 9, 1, 3)) % 10) % 10
    return check == int(number[10]) and _date(number[:2], f"{int(number[2:4]) % 20:02d}", number[4:6])


def se_personnummer(number: str) -> bool:
    """Skatteverket: a date (of a coordination number, the day plus 60) and Luhn's check over ten digits."""
    ten = number[-10:]
    return luhn(ten) and _date(ten[:2], ten[2:4], f"{int(ten[4:6]) % 60:02d}")


def fi_hetu(number: str) -> bool:
    """Digi- ja väestötietovirasto: date and serial modulo 31 give the last character."""
    digits = number[:6] + number[-4:-1]
    return "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(digits) % 31] == number[-1] and _date(
        number[4:6], number[2:4], number[:2]
    )


def no_fodselsnummer(number: str) -> bool:
    """Skatteetaten: two check digits modulo 11; the day of a D-number plus 40."""
    first = -weighted(number, (3, 7, 6, 1, 8, 9, 4, 5, 2)) % 11
    second = -weighted(number, (5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) % 11
    return number[9:] == f"{first}{second}" and _date(number[4:6], number[2:4], f"{int(number[:2]) % 40:02d}")


def be_national(number: str) -> bool:
    """Rijksregister: 97 minus the number modulo 97, with a 2 before it for those born from 2000 on."""
    key = int(number[9:])
    return key in (97 - int(number[:9]) % 97, 97 - int("2" + number[:9]) % 97) and int(number[2:4]) <= 12


def cn_resident(number: str) -> bool:
    """GB 11643-1999: a date, and ISO 7064's MOD 11-2."""
    return _date(number[6:10], number[10:12], number[12:14]) and mod_11_2(number[:17], number[17])


def kr_resident(number: str) -> bool:
    """A date and the digit of sex and century; numbers given out since October 2020 have no check digit."""
    return _date(number[:2], number[2:4], number[4:6]) and number[6] in "12345678"


def mx_curp(number: str) -> bool:
    """RENAPO: values by the Spanish alphabet, weights 18 to 2."""
    values = ["0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ".index(character) for character in number[:17]]
    return (10 - sum(value * weight for value, weight in zip(values, range(18, 1, -1), strict=True)) % 10) % 10 == int(
        number[17]
    )


def cl_rut(number: str) -> bool:
    """Registro Civil: modulo 11, weights 2 to 7 in turn from the right."""
    body = number[:-1]
    total = sum(int(digit) * (2 + index % 6) for index, digit in enumerate(reversed(body)))
    return "0123456789K"[-total % 11] == number[-1]


def ch_ahv(number: str) -> bool:
    """Zentrale Ausgleichsstelle: 756 and GS1's check digit."""
    return ean(number)


def pt_nif(number: str) -> bool:
    """Autoridade Tributária: weights 9 to 2, modulo 11."""
    return (11 - weighted(number[:8], range(9, 1, -1)) % 11) % 11 % 10 == int(number[8])


def za_id(number: str) -> bool:
    """Department of Home Affairs: a date and Luhn's check."""
    return luhn(number) and _date(number[:2], number[2:4], number[4:6])


def jp_my_number(number: str) -> bool:
    """Ministry of Internal Affairs, ordinance 85 of 2014, article 5: weights 2 to 7 and 2 to 6 from the right."""
    remainder = weighted(number[10::-1], (2, 3, 4, 5, 6, 7, 2, 3, 4, 5, 6)) % 11
    return int(number[11]) == (0 if remainder <= 1 else 11 - remainder)


def tr_kimlik(number: str) -> bool:
    """Nüfus ve Vatandaşlık İşleri: two check digits over odd and even places."""
    odd, even = sum(map(int, number[0:9:2])), sum(map(int, number[1:8:2]))
    return int(number[9]) == (odd * 7 - even) % 10 and int(number[10]) == sum(map(int, number[:10])) % 10


def anything(number: str) -> bool:
    """For numbers whose shape and words are all there is."""
    return len(set(number)) > 1


_SSN, _TAX = r"ssn|social[ _-]?sec|itin|tax(?:payer)?[ _-]?id", r"steuer|idnr|id-nr|tax|tin\b|identifikationsn"
DIGIT_IDS = (
    NationalId("us_ssn", r"\d{3}-\d{2}-\d{4}", us_ssn, named="ssn|social sec"),
    NationalId("us_ssn", r"\d{3}[ .]\d{2}[ .]\d{4}|\d{9}", us_ssn, words=_SSN),
    NationalId("passport", r"[A-Z]{0,2}\d{6,9}", anything, words="passport|reisepass|passeport|pasaporte|passaporto|passeporte|paspoort"),
    NationalId("uk_nhs", r"\d{3}[ -]?\d{3}[ -]?\d{4}", uk_nhs, words="nhs|health service|patient", named="nhs n"),
    NationalId("fr_nir", r"[12378] ?\d{2} ?[0-9]{2} ?(?:\d{2}|2[AB]) ?\d{3} ?\d{3} ?(?:/ ?)?\d{2}", fr_nir, named="nir|sécurité sociale|securite sociale"),
    NationalId("es_dni", r"\d{8}[ -]?[A-Za-z]|\d{1,2}\.\d{3}\.\d{3}[ -]?[A-Za-z]|[XYZxyz]-?\d{7}-?[A-Za-z]", es_dni, named="dni|nif|nie"),
    NationalId("de_tax_id", r"\d{2} \d{3} \d{3} \d{3}", de_tax_id),
    NationalId("de_tax_id", r"\d{2}[ /]?\d{3}[ /]?\d{3}[ /]?\d{3}", de_tax_id, words=_TAX),
    NationalId("de_social", r"\d{2} ?\d{6} ?[A-Z] ?\d{3}", de_social, named="rentenvers|sozialvers|rvnr"),
    NationalId("in_aadhaar", r"[2-9]\d{3}([ -])\d{4}\1\d{4}(?![ -]\d)", in_aadhaar, named="aadha|आधार"),
    NationalId("in_aadhaar", r"[2-9]\d{11}", in_aadhaar, words="aadha|uid|आधार", named="aadha|आधार"),
    NationalId("br_cpf", r"\d{3}\.\d{3}\.\d{3}[-/]\d{2}", br_cpf, named="cpf"),
    NationalId("br_cpf", r"\d{9}-?\d{2}", br_cpf, named="cpf"),
    NationalId("nl_bsn", r"\d{9}|\d{4}[. ]\d{2}[. ]\d{3}|\d{3}[. ]\d{3}[. ]\d{3}", nl_bsn, words="bsn|burgerservice|sofi"),
    NationalId("pl_pesel", r"\d{11}", pl_pesel, words="pesel", named="pesel"),
    NationalId("se_personnummer", r"(?:19|20)?\d{6}[-+]\d{4}", se_personnummer, named="personnummer|personnr"),
    NationalId("se_personnummer", r"(?:19|20)?\d{10}", se_personnummer, words="person(?:al identity |)num|personnr|samordn"),
    NationalId("fi_hetu", r"\d{6}[-+A-FU-Y]\d{3}[0-9A-Y]", fi_hetu, named="hetu|henkilötunnus"),
    NationalId("dk_cpr", r"\d{6}-?\d{4}", lambda number: _date(number[4:6], number[2:4], number[:2]), words="cpr|personnum"),
    NationalId("no_fodselsnummer", r"\d{6} ?\d{5}", no_fodselsnummer, named="fødselsnummer|fnr"),
    NationalId("be_national", r"\d{2}\.\d{2}\.\d{2}[- ]\d{3}[. ]\d{2}|\d{11}", be_national, bare_words="rijksregister|national|insz|niss|rrn"),
    NationalId("ch_ahv", r"756\.?\d{4}\.?\d{4}\.?\d{2}", ch_ahv, named="ahv|avs"),
    NationalId("pt_nif", r"[1235689]\d{2} ?\d{3} ?\d{3}", pt_nif, words="nif|contribuinte"),
    NationalId("ca_sin", r"\d{3}[ -]?\d{3}[ -]?\d{3}", luhn, words=r"sin\b|social insurance|assurance sociale|nas\b"),
    NationalId("au_tfn", r"\d{3} ?\d{3} ?\d{3}", lambda number: weighted(number, (1, 4, 3, 7, 5, 8, 6, 9, 10)) % 11 == 0, words="tfn|tax file"),
    NationalId("cn_resident", r"\d{17}[0-9Xx]", cn_resident, named="身份证"),
    NationalId("kr_resident", r"\d{6}-[1-8]\d{6}", kr_resident, named="주민등록번호|rrn"),
    NationalId("za_id", r"\d{6} ?\d{4} ?\d{3}", za_id, words="identity|id num|id no|said|rsa id"),
    NationalId("jp_my_number", r"\d{4}[ -]?\d{4}[ -]?\d{4}", jp_my_number, words="my ?number|個人番号|マイナンバー|individual num"),
    NationalId("tr_kimlik", r"[1-9]\d{10}", tr_kimlik, words="kimlik|t\\.?c\\.? "),
    NationalId("cl_rut", r"\d{1,2}\.\d{3}\.\d{3}-[0-9Kk]", cl_rut, named="rut|run"),
    NationalId("cl_rut", r"\d{7,8}-[0-9Kk]", cl_rut, words="rut|run|rol "),
)  # fmt: skip
LETTER_IDS = (
    NationalId("uk_nino", r"[A-Z]{2}[ -]?\d{2}[ -]?\d{2}[ -]?\d{2}[ -]?[A-Z]", uk_nino, named="national insurance|nino|ni n"),
    NationalId("it_codice_fiscale", r"[A-Z]{3} ?[A-Z]{3} ?[0-9LMNP-V]{2}[A-EHLMPRST][0-9LMNP-V]{2} ?[A-Z][0-9LMNP-V]{3}[A-Z]", it_codice_fiscale, named="codice fiscale|c\\.?f\\b"),
    NationalId("mx_curp", r"[A-Z]{4}\d{6}[HMX][A-Z]{5}[0-9A-Z]\d", mx_curp, named="curp"),
    NationalId("in_pan", r"[A-Z]{3}P[A-Z]\d{4}[A-Z]", anything, named=r"pan\b"),
    NationalId("in_pan", r"[A-Z]{5}\d{4}[A-Z]", anything, words=r"pan\b|permanent account"),
)  # fmt: skip
PASSPORT = re.compile(
    r"(?:[Pp]assport|PASSPORT|[Rr]eisepass|[Pp]asseport|[Pp]asaporte|[Pp]assaporto)(?:nummer)?[^\n0-9]{0,24}?(?<![A-Za-z])([A-Z]{0,3}\d{6,9}[A-Z]?|[CFGHJKLMNPRTVWXYZ0-9]{9,10})(?!\w)"
)
_COMPILED = [(each, each.pattern) for each in DIGIT_IDS]
_COMPILED_LETTERS = [(each, re.compile(each.pattern.pattern, re.IGNORECASE)) for each in LETTER_IDS]
_SEPARATORS = str.maketrans("", "", " -./")
LONGEST_LETTERS = 20
NAMED_BEFORE = 30  # characters
SURROGATE = re.compile("[A-Z]*000")  # how the stand-ins of `pseudonyms` begin


def find_national_ids(text: str, spans: list[tuple[int, int]]) -> Iterator[Finding]:
    """All such numbers that begin with digits, in stretches with many digits."""
    for start, end in spans:
        for each, pattern in _COMPILED:
            for match in pattern.finditer(text, start, end):
                finding = _checked(text, each, match)
                if finding:
                    yield finding


def find_letter_ids(text: str, start: int) -> Iterator[Finding]:
    """Numbers that begin with letters, around two capitals with two digits after them."""
    for each, pattern in _COMPILED_LETTERS:
        match = pattern.search(text, max(0, start - 8), start + LONGEST_LETTERS + 4)
        if match is None or not (match[0].isupper() or said_before(text, match.start(), each.named or each.words)):
            continue  # in small letters it has to be called so
        finding = _checked(text, each, match)
        if finding:
            yield finding


def find_passports(text: str) -> Iterator[Finding]:
    """What stands after the word passport and looks like its number."""
    for at in occurrences(text, "assport", "ASSPORT", "eisepass", "asseport", "asaporte", "assaporto"):
        match = PASSPORT.match(text, at - 1)
        if match is None:
            continue
        if any(character.isdigit() for character in match.group(1)):
            yield Finding("national_id", "passport", match.start(1), match.end(1), CONTEXT)


def _checked(text: str, each: NationalId, match: re.Match[str]) -> Finding | None:
    number = match.group()
    characters = number.translate(_SEPARATORS).replace("+", "").upper()
    words = each.words or (each.bare_words if len(characters) == len(number) else "")
    if not each.valid(characters) or (words and not said_before(text, match.start(), words)):
        named = each.named and said_before(text, match.start(), each.named, NAMED_BEFORE)
        if not named or SURROGATE.match(characters) or len(set(characters)) < 3:
            return None
    return Finding("national_id", each.form, match.start(), match.end(), CHECKED)
