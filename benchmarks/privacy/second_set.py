"""Recall on values that we did not make: Faker's for 20 locales, and libphonenumber's examples for every region.

    .venv/bin/python -m benchmarks.privacy.second_set [--each 20] [--seed N] [--failures] [--output benchmarks/results/privacy-second.json]

A value stands in one of a few plain English sentences that name its kind, or in one that doesn't.
Ends with status 1 as `run` does.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys

from benchmarks.environment import ROOT, Unavailable, python_of
from benchmarks.privacy.report import parser, tell
from benchmarks.privacy.scoring import Score
from benchmarks.privacy.texts import Sample

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.settings import PrivacySettings

WORDS = {
    "email": "mail",
    "phone": "phone",
    "address": "address",
    "card": "card",
    "iban": "account",
    "ip": "host",
    "national_id": "ID number",
}
NATIONAL = {
    "en_US": "SSN", "en_GB": "National Insurance number", "de_DE": "Rentenversicherungsnummer", "fr_FR": "NIR", "es_ES": "NIF", "it_IT": "codice fiscale", "pt_BR": "CPF", "pl_PL": "PESEL", "sv_SE": "personnummer", "fi_FI": "henkilötunnus", "no_NO": "fødselsnummer",
    "nl_NL": "BSN", "zh_CN": "身份证", "ko_KR": "RRN", "en_IN": "Aadhaar", "en_CA": "SIN", "es_MX": "CURP", "es_CL": "RUT", "de_CH": "AHV-Nr.", "nl_BE": "rijksregisternummer",
}  # fmt: skip


def in_a_sentence(kind: str, form: str, value: str, draw: random.Random) -> Sample:
    word = NATIONAL.get(form, WORDS[kind]) if kind == "national_id" else WORDS[kind]
    before, after = draw.choice(
        [(f"The {word} is ", ", as far as we know."), (f"{word}: ", "\n"), (f"We have your {word} ", " on file.")]
    )
    return Sample().add(before).put(kind, form, value).add(after)


def main() -> None:
    arguments = parser("Recall of the privacy step on values from Faker and libphonenumber.", each=20).parse_args()
    try:
        python = python_of("privacy")
    except Unavailable as error:
        sys.exit(f"the second set can't be made: {error}")
    command = [str(python), "-m", "benchmarks.privacy.faker_values", str(arguments.seed), str(arguments.each)]
    made = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    draw = random.Random(arguments.seed)
    score = Score()
    for line in made.stdout.splitlines():
        kind, form, value = json.loads(line)
        sample = in_a_sentence(kind, form, value, draw)
        score.add(sample.text, sample.entities, find_personal_data(sample.text, PrivacySettings("placeholder")))
    tell("values of Faker and libphonenumber", "benchmarks.privacy.second_set", score, arguments)


if __name__ == "__main__":
    main()
