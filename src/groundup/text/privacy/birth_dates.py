"""Dates of birth: a date behind words that say so."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterator

from groundup.text.privacy.finding import CONTEXT, LONGEST_HEAD, Finding, column_head, lower, occurrences, table_head

WORDS = re.compile(
    r"(?:birth|\bborn\b|\bdob\b|d\.o\.b|\bdate_?of_?birth|geburt|geboren|\bgeb\.|naissance|\bnée?\b|\bné\(e\)|nacimiento|\bnacid[oa]|\bnaci[óo]\b|nascita|\bnat[oa]\b"
    r"|nascimento|\bnasc\.|\bnac\.|\(b\. (?=[0-9A-Z])|\(\* ?(?=[0-9])|\bnascid[oa]|\bnasceu|geboorte|födelse|\bfödd\b|fødsel|\bfødt\b|syntym|urodz|рожд|родил|出生|生年月日|생년월일|生まれ|जन्म|ميلاد|doğum)",
    re.IGNORECASE,
)
NEEDLES = (
    "irth", "born", "dob", "d.o.b", "eburt", "eboren", "geb.", "aissance", "né", "Nasc.", "Nac.", "acimiento", "naci", "ascita", "nato ", "nata ", "asciment", "ascid", "asceu", "nasc.", "nac.", "(b. ", "(*", "eboorte", "ödelse", "född", "ødsel", "født",
    "yntym", "rodz", "рожд", "родил", "出生", "生年月日", "생년월일", "生まれ", "जन्म", "ميلاد", "oğum",
)  # fmt: skip
_MONTHS = (
    "jan(?:uary|uar|vier|uari|uary)?|ene(?:ro)?|gen(?:naio)?|janeiro|feb(?:ruary|ruar|rero|braio|ruari)?|f[ée]v(?:rier|ereiro)?|mar(?:ch|s|zo|ço|t)?|märz|maart|mrz"
    "|apr(?:il|ile)?|avr(?:il)?|abr(?:il)?|may|mai|mayo|maggio|maio|mei|maj|jun(?:e|i|io|ho)?|juin|giu(?:gno)?|jul(?:y|i|io|ho)?|juil(?:let)?|lug(?:lio)?"
    "|aug(?:ust|usti|ustus)?|ao[ûu]t|ago(?:sto)?|sep(?:t|tember|tembre|tiembre)?|set(?:tembre|embro)?|oct(?:ober|obre|ubre)?|okt(?:ober)?|ott(?:obre)?|out(?:ubro)?"
    "|augusti|marts|desember|(?:tammi|helmi|maalis|huhti|touko|kesä|heinä|elo|syys|loka|marras|joulu)kuuta"
    "|stycznia|lutego|marca|kwietnia|maja|czerwca|lipca|sierpnia|września|października|listopada|grudnia"
    "|января|февраля|марта|апреля|мая|июня|июля|августа|сентября|октября|ноября|декабря"
    "|ocak|şubat|mart|nisan|mayıs|haziran|temmuz|ağustos|eylül|ekim|kasım|aralık"
    "|nov(?:ember|embre|iembre)?|novembro|dec(?:ember)?|dez(?:ember|embro)?|d[ée]c(?:embre)?|dic(?:iembre|embre)?|januar|februari|giugno|luglio"
)
_YEAR = r"(?:18[5-9][0-9]|19[0-9]{2}|20[0-9]{2})"
DATE = re.compile(
    rf"(?P<numeric>(?P<year_first>{_YEAR}[-/. ][01]?[0-9][-/. ][0-3]?[0-9])(?!\d)|[0-3]?[0-9](?P<mark>[-/.] ?| )[01]?[0-9](?P=mark)(?:{_YEAR}|[0-9]{{2}})(?!\d)|[01]?[0-9]/[0-3]?[0-9]/(?:{_YEAR}|[0-9]{{2}})(?!\d)"
    rf"|{_YEAR} ?年 ?[01]?[0-9] ?月 ?[0-3]?[0-9] ?日|{_YEAR} ?년 ?[01]?[0-9] ?월 ?[0-3]?[0-9] ?일|(?:18[5-9]|19[0-9]|20[0-9])[0-9][01][0-9][0-3][0-9](?!\d))"
    rf"|[0-3]?[0-9](?:st|nd|rd|th|er|º|\.)?(?: of| de| d')?[ -]?(?:{_MONTHS})\.?,?(?: de[l]?| of)?[ -]?(?:{_YEAR}|'?[0-9]{{2}}(?!\d))"
    rf"|(?:{_MONTHS})\.? [0-3]?[0-9](?:st|nd|rd|th)?,? (?:{_YEAR}|'[0-9]{{2}})(?!\d)",
    re.IGNORECASE,
)
REACH = 48  # characters between the words and the date
LAST = (
    "geboren",
    "生まれ",
    "出生",
    "född",
    "født",
)  # words that stand behind the date: `am 3. Mai 1950 in Wien geboren`
SENTENCE_END = re.compile(r"[.!?]\s*[^\W\d_a-zß-öø-ÿ]")
STOP = re.compile(
    r"died|death|married|since|until|\bdied\b|gestorben|decease|issued|expir|hired|joined|updated|registered",
    re.IGNORECASE,
)


def find_birth_dates(text: str) -> Iterator[Finding]:
    """The first date within 48 characters behind words such as `born`, `date of birth`, `geboren am`, `né le`; not behind `died` as well."""
    yield from _find_in_table(text)
    seen = set()
    for hit in sorted(occurrences(lower(text), *NEEDLES)):
        words = WORDS.search(text, max(0, hit - 12), hit + 16)
        if words is None or words.end() in seen:
            continue
        seen.add(words.end())
        for date in (DATE.search(text, words.end(), words.end() + REACH + 24), _date_before(text, words)):
            if date is not None and _belongs(text, words, date):
                yield Finding("birth_date", "birth_date", date.start(), date.end(), CONTEXT)
                break


def _belongs(text: str, words: re.Match[str], date: re.Match[str]) -> bool:
    """Whether a date is near enough to the words, with nothing between that says something else."""
    if date.start() > words.end() + REACH or text[date.start() - 1 : date.start()].isdigit():
        return False
    between = text[words.end() : date.start()] or text[date.end() : words.start()]
    if (
        between.count("\n") > 1
        or STOP.search(between)
        or SENTENCE_END.search(between)
        or any(character.isdigit() for character in between)
    ):
        return False
    return possible(date.group())


def _date_before(text: str, words: re.Match[str]) -> re.Match[str] | None:
    """The last date of the 48 characters before words that may stand behind it."""
    if words.group().lower() not in LAST:
        return None
    dates = list(DATE.finditer(text, max(0, words.start() - REACH), words.start()))
    return dates[-1] if dates else None


def _find_in_table(text: str) -> Iterator[Finding]:
    """Dates in the columns of a table whose heads say so."""
    first = text.find("\n", 0, LONGEST_HEAD)
    if first < 0 or not any(WORDS.search(cell) for cell in table_head(text[:first])[1]):
        return
    for date in DATE.finditer(text, first):
        if WORDS.search(column_head(text, date.start())) and possible(date.group()):
            yield Finding("birth_date", "birth_date", date.start(), date.end(), CONTEXT)


def possible(date: str) -> bool:
    """Whether a written date can be somebody's: a day of 1 to 31, and no year to come (a year before 1850 isn't matched)."""
    numbers = ["".join(part) for part in re.findall("[0-9]+", date)]
    year = next((int(number) for number in numbers if len(number) == 4), None)
    if year is not None and year > datetime.date.today().year:
        return False
    return all(0 < int(number) <= 31 for number in numbers[:-1] if len(number) <= 2)
