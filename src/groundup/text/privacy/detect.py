"""All detectors over one text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from groundup.text.privacy.address import find_addresses
from groundup.text.privacy.bank import find_cards, find_iban
from groundup.text.privacy.birth_dates import find_birth_dates
from groundup.text.privacy.credentials import find_secrets
from groundup.text.privacy.email import find_emails
from groundup.text.privacy.finding import Finding, dense_digits, settle
from groundup.text.privacy.name_model import find_names_by_model
from groundup.text.privacy.names import find_names
from groundup.text.privacy.national_ids import find_letter_ids, find_national_ids, find_passports
from groundup.text.privacy.network import find_ips
from groundup.text.privacy.phone import find_phones
from groundup.text.privacy.plain import read_plainly
from groundup.text.privacy.settings import PrivacySettings

LETTERS_THEN_DIGITS = re.compile(r"[A-Z][A-Z] ?-?[0-9LMNP-V][0-9LMNP-V]|[a-z][a-z][0-9][0-9] ?[a-z0-9]{4}")


def find_personal_data(text: str, settings: PrivacySettings) -> list[Finding]:
    """Personal data of the kinds that the settings ask for, in the text's order, without overlaps.

    `text[finding.start:finding.end]` is what was found. All detectors run, whatever was asked for: what is taken for a card is
    not taken for a telephone number only because cards are not looked for.
    """
    plain = read_plainly(text)
    found: list[Finding] = []
    for finding in settle(_find_all(plain.text, settings)):
        if finding.kind in settings.kinds:
            start, end = plain.stretch(finding.start, finding.end)
            found.append(replace(finding, start=start, end=end))
    return found


def _find_all(text: str, settings: PrivacySettings) -> Iterator[Finding]:
    yield from find_emails(text)
    spans = dense_digits(text)
    if spans:
        yield from find_cards(text, spans)
        yield from find_phones(text, spans)
        yield from find_national_ids(text, spans)
    for hit in LETTERS_THEN_DIGITS.finditer(text):
        iban = find_iban(text, hit.start())
        if iban:
            yield iban
        yield from find_letter_ids(text, hit.start())
    yield from find_passports(text)
    yield from find_ips(text)
    yield from find_birth_dates(text)
    yield from find_secrets(text)
    yield from find_addresses(text)
    if "name" in settings.kinds and settings.names != "off":
        yield from find_names(text)
        if settings.names == "model":
            yield from find_names_by_model(text, settings.names_model)
