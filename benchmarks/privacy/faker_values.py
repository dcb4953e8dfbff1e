"""Values that other people's generators make, as JSON lines of (kind, form, value): Faker's for many locales, and the example numbers of
Google's libphonenumber for every region of the world. Runs in the environment `privacy`; takes a seed and a number."""

from __future__ import annotations

import json
import sys

import phonenumbers
from faker import Faker

LOCALES = "en_US en_GB en_CA en_AU en_IN de_DE de_AT de_CH fr_FR fr_CA es_ES es_MX it_IT pt_BR pt_PT nl_NL pl_PL sv_SE fi_FI no_NO da_DK".split()
ADDRESSES = ("en_US", "en_GB", "en_CA", "en_AU", "de_DE", "de_AT", "fr_FR", "es_ES", "it_IT", "nl_NL")
NATIONAL = (
    "en_US",
    "en_GB",
    "de_DE",
    "fr_FR",
    "es_ES",
    "it_IT",
    "pt_BR",
    "pl_PL",
    "sv_SE",
    "fi_FI",
    "no_NO",
    "nl_NL",
    "zh_CN",
    "ko_KR",
    "en_IN",
    "en_CA",
    "es_MX",
    "es_CL",
    "de_CH",
    "nl_BE",
)
IBANS = ("en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pl_PL", "de_AT", "de_CH", "pt_PT", "fi_FI", "no_NO")


def say(kind: str, form: str, value: str) -> None:
    print(json.dumps([kind, form, value]))


def national(fake: Faker, locale: str) -> str:
    if locale == "en_IN":
        return str(fake.aadhaar_id())
    if locale == "es_ES":
        return str(fake.nie() if fake.boolean() else fake.nif())
    if locale == "es_MX":
        return str(fake.curp())
    if locale == "es_CL":
        return str(fake.person_rut())
    if locale == "de_DE":
        return str(fake.rvnr())
    return str(fake.ssn())


def main() -> None:
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    Faker.seed(seed)
    plain = Faker("en_US")
    for _ in range(count * 4):
        say(
            "card",
            "card",
            plain.credit_card_number(
                card_type=plain.random_element(["visa16", "mastercard", "amex", "discover", "jcb16", "diners"])
            ),
        )
        say("ip", "ip_v4", plain.ipv4_public())
        say("ip", "ip_v6", plain.ipv6())
    for locale in LOCALES:
        fake = Faker(locale)
        for _ in range(count):
            say("email", locale, fake.email())
            say("phone", locale, fake.phone_number())
    for locale in ADDRESSES:
        fake = Faker(locale)
        for _ in range(count):
            say("address", locale, fake.address())
    for locale in NATIONAL:
        fake = Faker(locale)
        for _ in range(count):
            say("national_id", locale, national(fake, locale))
    for locale in IBANS:
        fake = Faker(locale)
        for _ in range(count):
            say("iban", locale, fake.iban())
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                for form in (phonenumbers.PhoneNumberFormat.INTERNATIONAL, phonenumbers.PhoneNumberFormat.E164):
                    say("phone", "libphonenumber, international", phonenumbers.format_number(number, form))
                say(
                    "phone",
                    "libphonenumber, national",
                    phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL),
                )


if __name__ == "__main__":
    main()
