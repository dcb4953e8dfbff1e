"""Sentences, letters, tables, log lines and code in which the made-up values stand. Each text knows where its values are."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.privacy.values import Maker, States, lookalikes

MAIL = " <an e-mail address>"
MONTHS = {
    "en": "January February March April May June July August September October November December".split(),
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember".split(),
    "fr": "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split(),
    "es": "enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre".split(),
    "it": "gennaio febbraio marzo aprile maggio giugno luglio agosto settembre ottobre novembre dicembre".split(),
    "pt": "janeiro fevereiro março abril maio junho julho agosto setembro outubro novembro dezembro".split(),
}


@dataclass(frozen=True)
class Entity:
    """A value in a text, `text[start:end]`."""

    kind: str
    form: str
    start: int
    end: int


@dataclass
class Sample:
    """A text under construction: `add` puts plain words, `put` a value."""

    text: str = ""
    entities: list[Entity] = field(default_factory=list)

    def add(self, words: str) -> Sample:
        self.text += words
        return self

    def put(self, kind: str, form: str, value: str) -> Sample:
        self.entities.append(Entity(kind, form, len(self.text), len(self.text) + len(value)))
        self.text += value
        return self


@dataclass(frozen=True)
class Type:
    """A type of value: how it is made, and what people write around it. `{}` is where it stands."""

    kind: str
    form: str
    make: Callable[[], str]
    sentences: tuple[str, ...]
    column: str
    tables: bool = True
    """Whether it stands in tables and code, too."""


def birth_dates(make: Maker) -> list[Type]:
    """Dates of birth as six languages write them."""

    def written(language: str) -> Callable[[], str]:
        def one() -> str:
            year, month, day = make.birth_date()
            name = MONTHS[language][month - 1]
            numeric = {
                "en": [
                    f"{month:02d}/{day:02d}/{year}",
                    f"{year}-{month:02d}-{day:02d}",
                    f"{day:02d}/{month:02d}/{year}",
                    f"{month}/{day}/{year % 100:02d}",
                ]
            }.get(language, [f"{day:02d}.{month:02d}.{year}", f"{day:02d}/{month:02d}/{year}", f"{day}.{month}.{year}"])
            spelled = {
                "en": [
                    f"{day} {name} {year}",
                    f"{name} {day}, {year}",
                    f"{name[:3]} {day}, {year}",
                    f"{day}th of {name} {year}",
                ],
                "de": [f"{day}. {name} {year}"],
                "fr": [f"{day} {name} {year}"],
                "es": [f"{day} de {name} de {year}"],
                "it": [f"{day} {name} {year}"],
                "pt": [f"{day} de {name} de {year}"],
            }[language]
            return make.draw.choice([*numeric, *spelled])

        return one

    says = {
        "en": ("She was born on {} in Ohio.", "Date of birth: {}", "DOB: {}", "Patient (d.o.b. {}) was seen today.", "my birthday is {}", "He was born in Lagos on {} to two teachers.", "Birth date {}, nationality unknown."),
        "de": ("Geboren am {} in Bremen.", "Geburtsdatum: {}", "geb. {}", "Sie wurde am {} in Wien geboren."),
        "fr": ("Né le {} à Nantes.", "Date de naissance : {}", "née le {}"),
        "es": ("Nació el {} en Sevilla.", "Fecha de nacimiento: {}", "nacida el {}"),
        "it": ("Nato a Bari il {}.", "Data di nascita: {}", "nata il {}"),
        "pt": ("Nasceu em {} no Recife.", "Data de nascimento: {}", "nascido em {}"),
    }  # fmt: skip
    return [
        Type("birth_date", f"birth_date_{language}", written(language), sentences, "birth_date")
        for language, sentences in says.items()
    ]


def all_types(make: Maker) -> list[Type]:
    """Every type, each with its sentences."""
    state = States(make)
    at_home = (
        "I live at {}.",
        "Please send it to {}.",
        "Our new address is {}, from May on.",
        "Ship to: {}",
        "She moved to {} last year",
        "Address: {}",
    )
    call = (
        "Call me at {} after five.",
        "Phone: {}",
        "You can reach her on {} or by mail.",
        "Tel. {}",
        "my number is {}, thanks",
        "Fax: {}",
        "If it rains, ring {}!",
        "{}",
    )
    key = (
        "Here is the key: {}",
        "export KEY={}",
        "I pasted {} into the chat by mistake.",
        "curl -H 'X-Auth: {}' localhost",
    )
    types = [
        Type("email", "email", make.email, ("Write to {}.", "Contact: {}", "<{}> wrote on Monday:", "Mail me ({}) if it fails", "mailto:{}", "From: {}", "the accounts {} are closed", "Ihre Nachricht an {}, bitte."), "email"),
        Type("phone", "phone_us", make.phone_us, call, "phone"),
        Type("phone", "phone_uk", make.phone_uk, call, "telephone"),
        Type("phone", "phone_fr", make.phone_fr, ("Appelez-moi au {}.", "Tél. : {}", "Mon portable : {}", "Téléphone {}", "Joignable au {} le soir."), "telephone"),
        Type("phone", "phone_de", make.phone_de, ("Rufen Sie mich unter {} an.", "Tel.: {}", "Mobil {}", "Telefon: {}", "Erreichbar unter {}, auch abends.", "Fax {}"), "telefon"),
        Type("phone", "phone_es", make.phone_es, ("Llámame al {}.", "Teléfono: {}", "Móvil {}", "Mi número es el {} (tardes)."), "telefono"),
        Type("phone", "phone_it", make.phone_it, ("Chiamami al {}.", "Telefono: {}", "Cell. {}", "Il mio numero è {}."), "telefono"),
        Type("phone", "phone_other", make.phone_other, ("Contact number {}", "Mobile: {}", "Please call {} to confirm.", "WhatsApp {}"), "mobile"),
        Type("address", "address_us", make.address_us, at_home, "address", tables=False),
        Type("address", "address_uk", make.address_uk, at_home, "address", tables=False),
        Type("address", "address_de", make.address_de, ("Ich wohne in der {}.", "Adresse: {}", "Bitte senden Sie es an: {}", "Die Praxis ({}) ist geschlossen."), "adresse", tables=False),
        Type("address", "address_fr", make.address_fr, ("J'habite au {}.", "Adresse : {}", "Le cabinet se trouve {}, au fond de la cour.", "Envoyez le colis au {}"), "adresse", tables=False),
        Type("address", "address_other", make.address_other, ("Dirección: {}", "Indirizzo: {}", "Address: {}", "They live at {} now."), "address", tables=False),
        Type("card", "card", make.card, ("My card number is {}.", "Card: {}", "He paid with {} and never got it back.", "Visa {} exp 09/27", "Kreditkarte {}", "charge {} please"), "card_number"),
        Type("iban", "iban", make.iban, ("Please pay into {}.", "IBAN: {}", "Konto {} bei der Sparkasse", "My account is {}, thank you.", "Virement sur {}"), "iban"),
        Type("ip", "ip_v4", make.ip_v4, ("Login from {} failed.", "{} - - [10/Oct/2023:13:55:36 +0000] \"GET / HTTP/1.1\" 200 2326", "ssh root@{}", "client={} status=ok", "The request came from {}, twice.", "http://{}/index.html", "{}:8080 is down"), "ip"),
        Type("ip", "ip_v6", make.ip_v6, ("Login from {} failed.", "inet6 {} prefixlen 64", "client {} connected", "http://[{}]/", "addr={}"), "ip"),
        Type("secret", "api_key", make.api_key, key, "api_key"),
        Type("secret", "signed_token", make.signed_token, ("Authorization: Bearer {}", "token={}", "the cookie held {}"), "token"),
        Type("secret", "private_key", make.private_key, ("{}\n", "cat id_rsa\n{}\n$"), "key", tables=False),
        Type("secret", "password", make.password, ("password = \"{}\"", "DB_PASSWORD={}", "password: {}", "'secret': '{}'", "const apiKey = '{}';", "client_secret: \"{}\"", "passwd={}"), "password", tables=False),
        *birth_dates(make),
    ]  # fmt: skip
    says: dict[str, tuple[str, ...]] = {
        "us_ssn": ("My SSN is {}.", "Social Security number: {}", "He gave {} on the form."),
        "uk_nino": ("NI number: {}", "Her National Insurance number is {}.", "NINO {} was not found."),
        "fr_nir": ("Numéro de sécurité sociale : {}", "NIR {}", "Mon numéro est le {}."),
        "es_dni": ("DNI: {}", "con NIF {} y domicilio en Madrid", "mi documento es el {}."),
        "it_codice_fiscale": ("Codice fiscale: {}", "C.F. {}", "il sottoscritto, {}, dichiara"),
        "de_tax_id": (
            "Steuer-ID: {}",
            "Meine Identifikationsnummer lautet {}.",
            "Steuerliche Identifikationsnummer {}",
        ),
        "in_aadhaar": ("Aadhaar: {}", "My Aadhaar number is {}.", "UIDAI no. {}"),
        "in_pan": ("PAN: {}", "Permanent Account Number {} issued.", "his card {} was copied"),
        "br_cpf": ("CPF: {}", "inscrito no CPF sob o nº {}", "meu documento é {}."),
        "nl_bsn": ("BSN: {}", "Mijn burgerservicenummer is {}."),
        "pl_pesel": ("PESEL: {}", "nr PESEL {}"),
        "se_personnummer": ("Personnummer: {}", "hon har {} i registret"),
        "fi_hetu": ("Henkilötunnus: {}", "hetu {}"),
        "no_fodselsnummer": ("Fødselsnummer: {}", "fnr {}"),
        "be_national": ("Rijksregisternummer: {}", "Numéro national {}"),
        "ch_ahv": ("AHV-Nummer: {}", "N° AVS {}"),
        "ca_sin": ("SIN: {}", "Social Insurance Number {}"),
        "cn_resident": ("身份证号：{}", "ID card {}"),
        "kr_resident": ("주민등록번호 {}", "RRN: {}"),
        "mx_curp": ("CURP: {}", "con CURP {} presente"),
        "cl_rut": ("RUT: {}", "cédula {}"),
        "uk_nhs": ("NHS number: {}", "NHS No {}"),
        "us_passport": ("Passport number: {}", "passport no. {}"),
    }
    for form, sentences in says.items():
        types.append(Type("national_id", form, getattr(state, form), sentences, form))
    return types


def a_sample(each: Type, draw: random.Random, make: Maker, noise: dict[str, Callable[[], str]]) -> Sample:
    """The value in a sentence, between sentences, in a letter, a record, a row, a log line or code."""
    value = each.make()
    surroundings = ["sentence", "paragraph", "letter", "noisy"] + (
        ["row", "record", "log", "code"] if each.tables else []
    )
    place = draw.choice(surroundings)
    before, after = draw.choice(each.sentences).split("{}", 1)
    other = noise[draw.choice(sorted(noise))]()
    sample = Sample()

    def said() -> Sample:
        return sample.add(before).put(each.kind, each.form, value).add(after)

    if place == "sentence":
        return said()
    if place == "paragraph":
        sample.add("We met in the hall and spoke about the weather, the garden and the price of bread.\n")
        return said().add("\nNothing else was decided; the others will hear of it tomorrow.\n")
    if place == "letter":
        sample.add(f"Hello,\n\nthank you for the parcel, which came on Friday.\n{draw.choice(['', 'By the way: '])}")
        return said().add("\n\nSee you soon\n")
    if place == "noisy":
        sample.add(f"Re: {other}\n")
        return said().add(f"\n(see also {noise[draw.choice(sorted(noise))]()})\n")
    if place == "row":
        sample.add(f"id,{each.column},active,amount\n{draw.randrange(1, 999)},")
        quoted = '"' if "," in value else ""
        return (
            sample.add(quoted)
            .put(each.kind, each.form, value)
            .add(f"{quoted},{draw.choice(['yes', 'no'])},{draw.randrange(10, 999)}.{draw.randrange(10, 99)}\n")
        )
    if place == "record":
        sample.add(f'{{"id": {draw.randrange(1000)}, "{each.column}": "')
        inside = json.dumps(value, ensure_ascii=False)[1:-1]
        return sample.put(each.kind, each.form, inside).add('", "active": true}\n')
    if place == "log":
        sample.add(
            f"2024-0{draw.randrange(1, 10)}-1{draw.randrange(10)} 1{draw.randrange(10)}:{draw.randrange(10, 60)}:{draw.randrange(10, 60)},{draw.randrange(100, 1000)} INFO users: {each.column}={draw.choice(['', '<', chr(34)])}"
        )
        closing = {"<": ">", '"': '"'}.get(sample.text[-1], "")
        return sample.put(each.kind, each.form, value).add(f"{closing} accepted in {draw.randrange(1, 90)} ms\n")
    sample.add(f"def test_user():\n    user = make_user({each.column}={draw.choice([chr(39), chr(34)])}")
    closing = sample.text[-1]
    return sample.put(each.kind, each.form, value).add(f"{closing})\n    assert user.ok\n")


def a_lookalike(name: str, make_one: Callable[[], str], draw: random.Random) -> Sample:
    """A text with no personal data in it."""
    value = make_one()
    before, after = draw.choice(
        [
            "It says: {}.",
            "{}\n",
            "see {} for more",
            "    x = {}  # checked",
            "| {} | ok |",
            "We found {} in the report, and nothing else.",
            "id={}",
            "({})",
            "{}, {}",
        ]
    ).split("{}", 1)
    return Sample().add(before).add(value).add(after.replace("{}", make_one()))


def names(make: Maker, draw: random.Random) -> Sample:
    """A person's name: half of them behind words that announce it, half in plain prose, as newspapers have it."""
    name = make.name()
    announced = (
        "Dear {},\nthank you.",
        "My name is {} and I am writing about the boiler.",
        "Dr. {} will see you now.",
        "Kind regards,\n{}\n",
        "Patient: {}\n",
        "From: {}" + MAIL,
        "Frau {} ist verreist.",
        "Mr. {} was late.",
        "Je m'appelle {}.",
    )
    plain = (
        "Yesterday {} scored twice.",
        "The report by {} was read aloud.",
        "It was {} who closed the door.",
        "{} lives with two cats.",
        "They thanked {} for the bread.",
        "{}, 43, was elected mayor.",
        "a letter that {} had written",
        "We met {} at the station.",
        '"No," said {}.',
    )
    before, after = draw.choice(announced if draw.random() < 0.5 else plain).split("{}", 1)
    form = "announced" if (before + "{}" + after) in announced else "in_prose"
    sample = Sample().add(before).put("name", form, name)
    if after == MAIL:
        return sample.add(" <").put("email", "email", make.email()).add(">")
    return sample.add(after)


def measured_set(seed: int, each_type: int, each_lookalike: int) -> list[Sample]:
    """The whole set, shuffled."""
    draw = random.Random(seed)
    make = Maker(draw)
    noise = lookalikes(make)
    samples = [a_sample(each, draw, make, noise) for each in all_types(make) for _ in range(each_type)]
    samples += [a_lookalike(name, make_one, draw) for name, make_one in noise.items() for _ in range(each_lookalike)]
    samples += [names(make, draw) for _ in range(each_type * 4)]
    draw.shuffle(samples)
    return samples
