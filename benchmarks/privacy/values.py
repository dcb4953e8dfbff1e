"""Made-up personal data, afresh each time, written from the standards' own descriptions.

This file must not know the detector: it imports nothing of `groundup`, and its check digits are reckoned forwards (which digit completes
a number), never by asking whether a number is right.
"""

from __future__ import annotations

import base64
import json
import random
import string
import uuid
from collections.abc import Callable

GIVEN = "Aoife Bilal Chiara Dmitri Elif Fatou Gustav Hana Ingrid João Kenji Lucía Mateusz Nadia Oluwaseun Priya Quentin Rosa Søren Tomás Ulrike Valentin Wanjiru Ximena Yusuf Zoë Arthur Beth Colin Dora Marie-Louise Jean-Paul Emma Harry".split()
FAMILY = "Abernathy Bianchi Castellanos Dubois Eriksson Fitzgerald Grünwald Haddad Ivanova Jankowski Kowalczyk Lindqvist Moreau Nakamura O'Sullivan Pereira Quiroga Rossi Schönfeld Takahashi Ueda Villanueva Whitfield Xu Yılmaz Zimmermann McAllister Kaur Banerjee Okafor".split()
DOMAINS = "gmail.com outlook.com gmx.de orange.fr libero.it web.de uol.com.br yandex.ru 163.com proton.me mail.ru btinternet.com comcast.net kth.se uni-heidelberg.de ox.ac.uk corp.acme.io my-firm.co.jp stadt-köln.de xn--bcher-kva.ch icloud.com startup.ai".split()


class Maker:
    """Draws values of each type; `draw` is the only source of chance."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw

    def digits(self, count: int, first: str = string.digits) -> str:
        """So many digits, the first one of some."""
        return self.draw.choice(first) + "".join(self.draw.choices(string.digits, k=count - 1)) if count else ""

    def letters(self, count: int, alphabet: str = string.ascii_uppercase) -> str:
        return "".join(self.draw.choices(alphabet, k=count))

    def pick(self, *options: str) -> str:
        return self.draw.choice(options)

    def groups(self, number: str, *sizes: int, by: str = " ") -> str:
        """A number cut into groups."""
        parts, at = [], 0
        for size in sizes:
            parts.append(number[at : at + size])
            at += size
        return by.join([*parts, number[at:]] if number[at:] else parts)

    # persons and mail

    def name(self) -> str:
        middle = self.draw.choice(["", "", "", f" {self.letters(1)}."])
        return f"{self.draw.choice(GIVEN)}{middle} {self.draw.choice(FAMILY)}"

    def email(self) -> str:
        given, family = self.draw.choice(GIVEN).lower(), self.draw.choice(FAMILY).lower().replace("'", "")
        local = self.pick(
            f"{given}.{family}",
            f"{given[0]}{family}",
            f"{family}_{self.digits(2)}",
            f"{given}+{self.pick('news', 'shop')}",
            f"{given}-{family}",
            f"{given}{self.digits(4)}",
            f"{given[0]}.{family[0]}",
            f"info.{family}",
        )
        address = f"{local}@{self.draw.choice(DOMAINS)}"
        return address.title() if self.draw.random() < 0.05 else address

    # telephones: ITU-T E.164 and the national plans' usual notations

    def phone_us(self) -> str:
        area = (
            self.pick("2", "3", "4", "5", "6", "7", "8", "9")
            + self.pick("0", "1", "2", "3", "4", "5", "6", "7", "8")
            + self.digits(1, "02345678")
        )
        exchange, line = self.digits(1, "23456789") + self.digits(1) + self.digits(1, "02345678"), self.digits(4)
        ending = self.pick("", "", "", "", f" x{self.digits(3)}", f" ext. {self.digits(4)}")
        return (
            self.pick(
                f"({area}) {exchange}-{line}",
                f"{area}-{exchange}-{line}",
                f"{area}.{exchange}.{line}",
                f"+1 {area} {exchange} {line}",
                f"+1-{area}-{exchange}-{line}",
                f"1-{area}-{exchange}-{line}",
                f"+1{area}{exchange}{line}",
                f"{area} {exchange} {line}",
            )
            + ending
        )

    def phone_uk(self) -> str:
        return self.pick(
            f"020 {self.digits(4, '378')} {self.digits(4)}", f"07{self.digits(3, '3456789')} {self.digits(6)}", f"01{self.digits(3, '2345679')} {self.digits(6)}", f"+44 20 {self.digits(4, '378')} {self.digits(4)}", f"+44 7{self.digits(3, '3456789')} {self.digits(6)}",
            f"(01{self.digits(3, '2345679')}) {self.digits(6)}", f"+44 (0)1{self.digits(2, '1')} {self.digits(3)} {self.digits(4)}", f"07{self.digits(9, '3456789')}", f"0161 {self.digits(3)} {self.digits(4)}", f"0044 7{self.digits(3, '3456789')} {self.digits(6)}",
        )  # fmt: skip

    def phone_fr(self) -> str:
        pairs = [self.digits(2) for _ in range(4)]
        first = self.pick("1", "2", "3", "4", "5", "6", "7")
        return self.pick(
            f"0{first} " + " ".join(pairs),
            f"0{first}." + ".".join(pairs),
            f"+33 {first} " + " ".join(pairs),
            f"0{first}-" + "-".join(pairs),
            f"+33{first}" + "".join(pairs),
            f"0{self.pick('6', '7')}" + "".join(pairs),
            f"0033 {first} " + " ".join(pairs),
        )

    def phone_de(self) -> str:
        area = self.pick("30", "40", "89", "221", "69", "711", "351", "6221", "4131", "176", "151", "160", "172")
        number = self.digits(self.draw.choice([6, 7, 8]), "23456789")
        return self.pick(
            f"0{area} {number}",
            f"0{area}/{number}",
            f"+49 {area} {number}",
            f"+49 (0){area} {number}",
            f"(0{area}) {number}",
            f"0{area}-{number}",
            f"+49{area}{number}",
            f"0{area} / {self.groups(number, 3)}",
            f"+49 {area} {self.groups(number, 3, 2)}",
        )

    def phone_es(self) -> str:
        mobile, fixed = self.digits(9, "6"), self.pick("91", "93", "95", "96") + self.digits(7, "2345678")
        return self.pick(
            f"+34 {self.groups(mobile, 3, 3)}",
            f"+34 {self.groups(mobile, 3, 2, 2)}",
            self.groups(mobile, 3, 2, 2),
            self.groups(mobile, 3, 3),
            self.groups(fixed, 2, 3, 2),
            self.groups(fixed, 3, 2, 2),
            f"+34{fixed}",
        )

    def phone_it(self) -> str:
        mobile = self.pick("320", "333", "347", "338", "391", "366") + self.digits(7)
        return self.pick(
            f"+39 {self.groups(mobile, 3, 3)}",
            self.groups(mobile, 3, 3),
            self.groups(mobile, 3),
            f"+39 06 {self.digits(4)} {self.digits(4)}",
            f"02 {self.digits(4, '23456789')} {self.digits(4)}",
            f"+39{mobile}",
            f"06-{self.digits(8, '3456789')}",
        )

    def phone_other(self) -> str:
        """India, Brazil, Japan, China, Australia, Poland, Sweden, Switzerland, Nigeria, Mexico, Korea, the Netherlands."""
        d = self.digits
        return self.pick(
            f"+91 {d(5, '6789')} {d(5)}", f"+91-{d(10, '6789')}", f"{d(5, '6789')} {d(5)}", f"+55 11 9{d(4)}-{d(4)}", f"(21) 9{d(4)}-{d(4)}", f"(11) {d(4, '2345')}-{d(4)}", f"03-{d(4, '3456')}-{d(4)}", f"090-{d(4)}-{d(4)}", f"+81 90 {d(4)} {d(4)}",
            f"+86 138 {d(4)} {d(4)}", f"(02) {d(4, '89')} {d(4)}", f"04{d(2)} {d(3)} {d(3)}", f"+61 4{d(2)} {d(3)} {d(3)}", f"+48 {d(3, '5678')} {d(3)} {d(3)}", f"+46 70 {d(3)} {d(2)} {d(2)}", f"08-{d(3)} {d(2)} {d(2)} {d(1)}", f"+41 44 {d(3)} {d(2)} {d(2)}", f"079 {d(3)} {d(2)} {d(2)}",
            f"+234 803 {d(3)} {d(4)}", f"+52 55 {d(4)} {d(4)}", f"010-{d(4, '23456789')}-{d(4)}", f"+82-10-{d(4)}-{d(4)}", f"06-{d(8, '12345')}", f"020 {d(3)} {d(4)}", f"+31 6 {d(8)}", f"+971 50 {d(3)} {d(4)}", f"+7 916 {d(3)}-{d(2)}-{d(2)}", f"8 (916) {d(3)}-{d(2)}-{d(2)}",
        )  # fmt: skip

    # addresses

    def address_us(self) -> str:
        street = self.pick(
            "Maple",
            "Martin Luther King Jr.",
            "Old Mill",
            "5th",
            "N. Washington",
            "Sunset",
            "Elm",
            "W 42nd",
            "Cedar Creek",
            "Chestnut",
            "Lincoln",
        )
        kind = self.pick(
            "Street",
            "St",
            "St.",
            "Avenue",
            "Ave",
            "Road",
            "Rd",
            "Blvd",
            "Drive",
            "Dr.",
            "Lane",
            "Ln",
            "Court",
            "Way",
            "Parkway",
            "Place",
            "Trail",
            "Circle",
        )
        unit = self.pick("", "", "", ", Apt 4B", ", Suite 210", " #12", " Apt. 7")
        city = self.pick(
            "Springfield, IL",
            "Austin, TX",
            "San Luis Obispo, CA",
            "Baton Rouge, LA",
            "St. Paul, MN",
            "Boise, ID",
            "Brooklyn, NY",
            "Winston-Salem, NC",
        )
        head = f"{self.digits(self.draw.choice([2, 3, 4, 5]), '123456789')} {street} {kind}{unit}"
        return self.pick(
            f"{head}, {city} {self.digits(5, '123456789')}",
            f"{head}, {city} {self.digits(5, '123456789')}-{self.digits(4)}",
            f"{head}\n{city} {self.digits(5, '123456789')}",
            f"{head}, {city}",
            f"{self.digits(3, '123')} {self.pick('Oak', 'Birchwood', 'Main')} {self.pick('Street', 'Avenue', 'Road')}",
        )

    def uk_postcode(self) -> str:
        area = self.pick(
            "SW1A", "M1", "B33", "CR2", "DN55", "EC1A", "W1A", "LS6", "EH1", "CF10", "BT7", "G12", "OX1", "CB2"
        )
        return f"{area} {self.digits(1)}{self.letters(2, 'ABDEFGHJLNPQRSTUWXYZ')}"

    def address_uk(self) -> str:
        street = self.pick(
            "High Street",
            "Church Lane",
            "Station Road",
            "The Crescent",
            "Victoria Terrace",
            "Mill Lane",
            "Queen's Gardens",
            "St John's Road",
            "Park Avenue",
            "Albert Mews",
            "Castle Street",
            "Ashfield Close",
        )
        town = self.pick(
            "London",
            "Leeds",
            "Stoke-on-Trent",
            "Newcastle upon Tyne",
            "Bath",
            "Edinburgh",
            "Cardiff",
            "Oxford",
            "Milton Keynes",
        )
        number = self.digits(self.draw.choice([1, 2, 3]), "123456789") + self.pick("", "", "", "a", "B")
        flat = self.pick("", "", "", f"Flat {self.digits(1, '123456789')}, ")
        return self.pick(
            f"{flat}{number} {street}, {town} {self.uk_postcode()}",
            f"{flat}{number} {street}, {town}, {self.uk_postcode()}",
            f"{number} {street}\n{town}\n{self.uk_postcode()}",
            f"{number} {street}, {self.pick('Headingley', 'Didsbury', 'Jericho')}, {town} {self.uk_postcode()}",
            f"{self.pick('Rose Cottage', 'The Old Rectory')}, {street}, {town}, {self.uk_postcode()}",
        )

    def address_de(self) -> str:
        street = self.pick(
            "Hauptstraße",
            "Goethestr.",
            "Berliner Straße",
            "Am Markt",
            "Lindenweg",
            "Karl-Marx-Allee",
            "Schillerplatz",
            "Kurfürstendamm",
            "Zur Alten Mühle",
            "Rosengasse",
            "Unter den Linden",
            "Theodor-Heuss-Ring",
            "Bergstrasse",
        )
        city = self.pick(
            "Berlin",
            "München",
            "Frankfurt am Main",
            "Köln",
            "Bad Homburg",
            "Leipzig",
            "Sankt Augustin",
            "Rothenburg ob der Tauber",
        )
        number = self.digits(self.draw.choice([1, 2, 3]), "123456789") + self.pick(
            "", "", "a", " b", "-" + self.digits(2, "9")
        )
        return self.pick(
            f"{street} {number}, {self.digits(5)} {city}",
            f"{street} {number}\n{self.digits(5)} {city}",
            f"{street} {number}, D-{self.digits(5)} {city}",
            f"{self.pick('Gartenstraße', 'Mozartstr.', 'Friedrich-Ebert-Straße', 'Bahnhofstraße')} {number}",
            f"{street} {number}, {self.digits(4, '123456789')} {self.pick('Wien', 'Zürich', 'Graz', 'Bern')}",
        )

    def address_fr(self) -> str:
        street = self.pick(
            "rue de la République",
            "avenue des Champs-Élysées",
            "boulevard Saint-Michel",
            "rue Victor Hugo",
            "place de l'Église",
            "chemin des Vignes",
            "impasse du Moulin",
            "quai de Jemmapes",
            "allée Jean Jaurès",
            "Rue du Faubourg Saint-Honoré",
            "route de Lyon",
            "rue d'Alésia",
        )
        city = self.pick(
            "Paris",
            "Lyon",
            "Aix-en-Provence",
            "Saint-Étienne",
            "Le Havre",
            "L'Haÿ-les-Roses",
            "Villeneuve d'Ascq",
            "Bordeaux",
        )
        number = self.digits(self.draw.choice([1, 2, 3]), "123456789") + self.pick("", "", "", " bis", " ter")
        return self.pick(
            f"{number}, {street}, {self.digits(5, '123456789')} {city}",
            f"{number} {street}, {self.digits(5, '123456789')} {city}",
            f"{number} {street}\n{self.digits(5, '123456789')} {city}",
            f"{number}, {street} {self.digits(5, '123456789')} {city}",
            f"{number} {street}",
        )

    def address_other(self) -> str:
        """Spain, Italy, the Netherlands, Brazil, Canada, Australia, Poland."""
        number, five = self.digits(self.draw.choice([1, 2, 3]), "123456789"), self.digits(5, "123456789")
        return self.pick(
            f"Calle de Alcalá {number}, 28{self.digits(3)} Madrid", f"C/ Mayor, {number}, {five} Zaragoza", f"Avenida Diagonal, {number}, 3º 2ª, 08{self.digits(3)} Barcelona", f"Via Garibaldi {number}, 00{self.digits(3)} Roma", f"Piazza San Marco, {number}, {five} Venezia (VE)", f"Corso Vittorio Emanuele II, {number}, {five} Torino",
            f"Prinsengracht {number}, {self.digits(4, '123456789')} {self.letters(2)} Amsterdam", f"Kerkstraat {number}, {self.digits(4, '123456789')}{self.letters(2)} Utrecht", f"Rua das Flores, {number}, São Paulo", f"Av. Paulista, {number}",
            f"{number} King Street West, Toronto, ON M5{self.letters(1, 'ABCEGHJ')} {self.digits(1)}{self.letters(1, 'ABCEGHJ')}{self.digits(1)}", f"{number} George Street, Sydney NSW 2{self.digits(3)}", f"ul. Marszałkowska {number}, {self.digits(2)}-{self.digits(3)} Warszawa",
        )  # fmt: skip

    # bank: ISO/IEC 7812 and ISO 13616

    def card(self) -> str:
        prefix, length = self.draw.choice(
            [
                ("4", 16),
                ("51", 16),
                ("55", 16),
                ("2221", 16),
                ("2720", 16),
                ("34", 15),
                ("37", 15),
                ("6011", 16),
                ("65", 16),
                ("3530", 16),
                ("36", 14),
                ("62", 16),
                ("5018", 16),
            ]
        )
        body = prefix + self.digits(length - len(prefix) - 1)
        total = 0
        for place, digit in enumerate(body[::-1]):
            doubled = int(digit) * 2 if place % 2 == 0 else int(digit)
            total += doubled // 10 + doubled % 10
        number = body + str(-total % 10)
        if length == 15:
            return self.pick(number, self.groups(number, 4, 6), self.groups(number, 4, 6, by="-"))
        if length == 14:
            return self.pick(number, self.groups(number, 4, 6))
        return self.pick(number, self.groups(number, 4, 4, 4), self.groups(number, 4, 4, 4, by="-"))

    def iban(self) -> str:
        """The account part is made as each country's is (n digits, a letters), then the check digits that complete it."""
        country, account = self.draw.choice(
            [
                ("DE", self.digits(18)), ("GB", self.letters(4) + self.digits(14)), ("FR", self.digits(10) + self.letters(2) + self.digits(11)), ("ES", self.digits(20)), ("IT", self.letters(1) + self.digits(22)), ("NL", self.letters(4) + self.digits(10)),
                ("BE", self.digits(12)), ("CH", self.digits(17)), ("AT", self.digits(16)), ("PL", self.digits(24)), ("SE", self.digits(20)), ("NO", self.digits(11)), ("PT", self.digits(21)), ("IE", self.letters(4) + self.digits(14)), ("BR", self.digits(23) + self.letters(1) + self.digits(1)), ("SA", self.digits(20)), ("TR", self.digits(22)), ("GR", self.digits(23)), ("MT", self.letters(4) + self.digits(23)),
            ]
        )  # fmt: skip
        spelled = "".join(
            str(string.ascii_uppercase.index(each) + 10) if each.isalpha() else each for each in account + country
        )
        remainder = 0
        for digit in spelled + "00":
            remainder = (remainder * 10 + int(digit)) % 97
        whole = f"{country}{98 - remainder:02d}{account}"
        spaced = " ".join(whole[at : at + 4] for at in range(0, len(whole), 4))
        return self.pick(whole, spaced, spaced)

    # networks and secrets

    def ip_v4(self) -> str:
        return ".".join(
            [
                str(self.draw.choice([10, 24, 52, 81, 93, 172, 192, 203, 217])),
                *(str(self.draw.randrange(256)) for _ in range(2)),
                str(self.draw.randrange(1, 255)),
            ]
        )

    def ip_v6(self) -> str:
        hexes = [f"{self.draw.randrange(16**4):x}" for _ in range(4)]
        start = self.pick("2001:db8", "2a02:8108", "fe80", "2600:1f18", "fd12:3456")
        full = ":".join(
            [*start.split(":"), *(f"{self.draw.randrange(16**4):04x}" for _ in range(8 - len(start.split(":"))))]
        )
        return self.pick(
            full,
            full.upper(),
            f"{start}::{hexes[0]}:{hexes[1]}",
            f"{start}::{hexes[2]}",
            f"{start}:{hexes[0]}::{hexes[3]}",
        )

    def api_key(self) -> str:
        both, low = string.ascii_letters + string.digits, string.ascii_lowercase + string.digits
        return self.pick(
            "AKIA" + self.letters(16, string.ascii_uppercase + "234567"), "ghp_" + self.letters(36, both), "github_pat_" + self.letters(22, both) + "_" + self.letters(59, both), "glpat-" + self.letters(20, both), "sk_live_" + self.letters(24, both), "AIza" + self.letters(35, both + "-_"),
            f"xoxb-{self.digits(12)}-{self.digits(12)}-{self.letters(24, both)}", "sk-proj-" + self.letters(48, both), "sk-ant-api03-" + self.letters(60, both), "hf_" + self.letters(34, both), "npm_" + self.letters(36, both), f"SG.{self.letters(22, both)}.{self.letters(43, both)}", "dop_v1_" + self.letters(64, "0123456789abcdef"), "shpat_" + self.letters(32, "0123456789abcdef"), "pypi-AgEIcHlwaS5vcmc" + self.letters(60, both), "sk-" + self.letters(20, low) + self.letters(28, both),
        )  # fmt: skip

    def signed_token(self) -> str:
        def part(value: object) -> str:
            return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")

        return (
            f"{part({'alg': 'HS256', 'typ': 'JWT'})}.{part({'sub': self.digits(10), 'iat': 1700000000})}."
            + base64.urlsafe_b64encode(self.draw.randbytes(32)).decode().rstrip("=")
        )

    def private_key(self) -> str:
        kind = self.pick("RSA ", "EC ", "OPENSSH ", "", "ENCRYPTED ")
        body = base64.b64encode(self.draw.randbytes(400)).decode()
        return (
            f"-----BEGIN {kind}PRIVATE KEY-----\n"
            + "\n".join(body[at : at + 64] for at in range(0, len(body), 64))
            + f"\n-----END {kind}PRIVATE KEY-----"
        )

    def password(self) -> str:
        both = string.ascii_letters + string.digits
        return self.pick(
            self.letters(4, string.ascii_letters) + self.digits(3) + self.letters(5, both + "!@#%^&*"),
            self.letters(32, "0123456789abcdef")[:30] + "a7",
            self.letters(20, both) + "4x",
            f"{self.pick('Summer', 'winter', 'Dragon', 'qwerty')}{self.digits(4)}{self.pick('!', '#', '')}",
            base64.b64encode(self.draw.randbytes(24)).decode(),
        )

    def birth_date(self) -> tuple[int, int, int]:
        return self.draw.randrange(1931, 2012), self.draw.randrange(1, 13), self.draw.randrange(1, 29)


class States:
    """National numbers, completed by their check digits."""

    def __init__(self, make: Maker) -> None:
        self.make = make
        self.draw = make.draw

    def born(self) -> tuple[str, str, str]:
        year, month, day = self.make.birth_date()
        return f"{year:04d}", f"{month:02d}", f"{day:02d}"

    def us_ssn(self) -> str:
        area = self.draw.choice([each for each in range(1, 900) if each != 666])
        return f"{area:03d}-{self.draw.randrange(1, 100):02d}-{self.draw.randrange(1, 10000):04d}"

    def uk_nino(self) -> str:
        first, second = self.make.letters(1, "ABCEGHJKLMOPRSTWXY"), self.make.letters(1, "ABCEGHJLMPRSWXYZ")
        while first + second in ("GB", "BG", "NK", "KN", "TN", "NT", "ZZ"):
            second = self.make.letters(1, "ABCEHJLMPRSWXY")
        number, end = self.make.digits(6), self.make.letters(1, "ABCD")
        return self.make.pick(
            f"{first}{second}{number}{end}", f"{first}{second} {self.make.groups(number, 2, 2)} {end}"
        )

    def fr_nir(self) -> str:
        year, month, _ = self.born()
        number = (
            self.make.pick("1", "2")
            + year[2:]
            + month
            + f"{self.draw.randrange(1, 96):02d}"
            + self.make.digits(3)
            + self.make.digits(3)
        )
        key = 97 - int(number) % 97
        return self.make.pick(f"{number}{key:02d}", self.make.groups(f"{number}{key:02d}", 1, 2, 2, 2, 3, 3))

    def es_dni(self) -> str:
        order = "TRWAGMYFPDXBNJZSQVHLCKE"
        if self.draw.random() < 0.4:
            index, number = self.draw.randrange(3), self.make.digits(7)
            letter = order[(index * 10**7 + int(number)) % 23]
            return self.make.pick(f"{'XYZ'[index]}{number}{letter}", f"{'XYZ'[index]}-{number}-{letter}")
        number = self.make.digits(8)
        letter = order[int(number) % 23]
        return self.make.pick(
            f"{number}{letter}", f"{number}-{letter}", f"{number[:2]}.{number[2:5]}.{number[5:]}-{letter}"
        )

    def it_codice_fiscale(self) -> str:
        year, _, day = self.born()
        body = (
            self.make.letters(6, "BCDFGLMNPRSTV")
            + year[2:]
            + self.make.letters(1, "ABCDEHLMPRST")
            + f"{int(day) + self.draw.choice([0, 40]):02d}"
            + self.make.letters(1, "ABCDEFGHIL")
            + self.make.digits(3)
        )
        odd = {
            **dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True)),
            **dict(
                zip(
                    "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
                    (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
                    strict=True,
                )
            ),
        }
        total = 0
        for place, character in enumerate(body, start=1):
            total += (
                odd[character] if place % 2 else (int(character) if character.isdigit() else ord(character) - ord("A"))
            )
        return body + string.ascii_uppercase[total % 26]

    def de_tax_id(self) -> str:
        pool = self.draw.sample(string.digits, 9)
        ten = [*pool, self.draw.choice(pool)]
        self.draw.shuffle(ten)
        if ten[0] == "0":
            ten[0], ten[-1] = (ten[-1], "0") if ten[-1] != "0" else (next(each for each in ten if each != "0"), "0")
            if len(set(ten)) != 9 or ten[0] == "0":
                return self.de_tax_id()
        carry = 10
        for digit in ten:
            total = (int(digit) + carry) % 10
            carry = (2 * (total if total else 10)) % 11
        number = "".join(ten) + str((11 - carry) % 10)
        return self.make.pick(number, self.make.groups(number, 2, 3, 3))

    def in_aadhaar(self) -> str:
        """Verhoeff by composition in the dihedral group itself: a rotation r or a reflection, not by a table."""

        def times(one: int, two: int) -> int:
            if one < 5:
                return (one + two) % 5 if two < 5 else 5 + (one + two - 5) % 5
            return 5 + (one - 5 - two) % 5 if two < 5 else (one - two) % 5

        turn = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]
        body = self.make.digits(11, "23456789")
        check = 0
        for place, digit in enumerate(body[::-1], start=1):
            value = int(digit)
            for _ in range(place):
                value = turn[value]
            check = times(check, value)
        number = body + next(str(last) for last in range(10) if times(check, last) == 0 or times(last, check) == 0)
        return self.make.pick(number, self.make.groups(number, 4, 4), self.make.groups(number, 4, 4))

    def br_cpf(self) -> str:
        number = self.make.digits(9)
        for _ in range(2):
            total = sum(
                int(digit) * factor for digit, factor in zip(number, range(len(number) + 1, 1, -1), strict=True)
            )
            number += str(0 if total % 11 < 2 else 11 - total % 11)
        return self.make.pick(
            number,
            f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}",
            f"{number[:3]}.{number[3:6]}.{number[6:9]}-{number[9:]}",
        )

    def nl_bsn(self) -> str:
        while True:
            number = self.make.digits(8)
            check = sum(int(digit) * factor for digit, factor in zip(number, range(9, 1, -1), strict=True)) % 11
            if check < 10:
                return f"{number}{check}"

    def pl_pesel(self) -> str:
        year, month, day = self.born()
        body = year[2:] + f"{int(month) + (20 if year >= '2000' else 0):02d}" + day + self.make.digits(4)
        total = sum(int(digit) * factor for digit, factor in zip(body, [1, 3, 7, 9] * 3, strict=False))
        return body + str((10 - total % 10) % 10)

    def se_personnummer(self) -> str:
        year, month, day = self.born()
        body = year[2:] + month + day + self.make.digits(3)
        total = sum(int(digit) for place, each in enumerate(body) for digit in str(int(each) * (2 - place % 2)))
        return self.make.pick("", year[:2]) + f"{body[:6]}-{body[6:]}{-total % 10}"

    def fi_hetu(self) -> str:
        year, month, day = self.born()
        serial = f"{self.draw.randrange(2, 900):03d}"
        return (
            f"{day}{month}{year[2:]}{'A' if year >= '2000' else '-'}{serial}"
            + "0123456789ABCDEFHJKLMNPRSTUVWXY"[int(day + month + year[2:] + serial) % 31]
        )

    def no_fodselsnummer(self) -> str:
        while True:
            year, month, day = self.born()
            body = day + month + year[2:] + self.make.digits(3)
            one = 11 - sum(int(a) * b for a, b in zip(body, (3, 7, 6, 1, 8, 9, 4, 5, 2), strict=True)) % 11
            one = 0 if one == 11 else one
            if one == 10:
                continue
            two = 11 - sum(int(a) * b for a, b in zip(f"{body}{one}", (5, 4, 3, 2, 7, 6, 5, 4, 3, 2), strict=True)) % 11
            two = 0 if two == 11 else two
            if two != 10:
                return self.make.pick(f"{body}{one}{two}", f"{body[:6]} {body[6:]}{one}{two}")

    def be_national(self) -> str:
        year, month, day = self.born()
        body = year[2:] + month + day + f"{self.draw.randrange(1, 998):03d}"
        key = 97 - int(("2" if year >= "2000" else "") + body) % 97
        return f"{year[2:]}.{month}.{day}-{body[6:]}.{key:02d}"

    def ch_ahv(self) -> str:
        body = "756" + self.make.digits(9)
        total = sum(int(digit) * (1 if place % 2 == 0 else 3) for place, digit in enumerate(body))
        whole = f"{body}{-total % 10}"
        return f"{whole[:3]}.{whole[3:7]}.{whole[7:11]}.{whole[11:]}"

    def ca_sin(self) -> str:
        body = self.make.digits(8, "1245679")
        total = sum(int(digit) for place, each in enumerate(body) for digit in str(int(each) * (1 + place % 2)))
        return self.make.pick(
            self.make.groups(f"{body}{-total % 10}", 3, 3), self.make.groups(f"{body}{-total % 10}", 3, 3, by="-")
        )

    def cn_resident(self) -> str:
        year, month, day = self.born()
        body = self.make.pick("110105", "310115", "440305", "510104") + year + month + day + self.make.digits(3)
        total = sum(int(digit) * (2 ** (17 - place) % 11) for place, digit in enumerate(body))
        return body + "10X98765432"[total % 11]

    def kr_resident(self) -> str:
        year, month, day = self.born()
        return f"{year[2:]}{month}{day}-{self.make.pick('3', '4') if year >= '2000' else self.make.pick('1', '2')}{self.make.digits(6)}"

    def mx_curp(self) -> str:
        year, month, day = self.born()
        body = (
            self.make.letters(1)
            + self.make.pick("A", "E", "I", "O", "U")
            + self.make.letters(2)
            + year[2:]
            + month
            + day
            + self.make.pick("H", "M")
            + self.make.pick("DF", "JC", "NL", "OC")
            + self.make.letters(3, "BCDFGHJKLMNPQRSTVWXYZ")
            + self.make.pick("0", "A")
        )
        order = "0123456789ABCDEFGHIJKLMNÑOPQRSTUVWXYZ"
        total = sum(order.index(character) * (18 - place) for place, character in enumerate(body))
        return f"{body}{(10 - total % 10) % 10}"

    def cl_rut(self) -> str:
        number = self.make.digits(8, "12")
        factors = [2, 3, 4, 5, 6, 7, 2, 3]
        check = 11 - sum(int(digit) * factor for digit, factor in zip(reversed(number), factors, strict=True)) % 11
        return f"{number[:2]}.{number[2:5]}.{number[5:]}-" + {11: "0", 10: "K"}.get(check, str(check))

    def in_pan(self) -> str:
        return f"{self.make.letters(3)}P{self.make.letters(1)}{self.make.digits(4)}{self.make.letters(1)}"

    def uk_nhs(self) -> str:
        while True:
            number = self.make.digits(9, "4679")
            check = 11 - sum(int(digit) * (10 - place) for place, digit in enumerate(number)) % 11
            if check != 10:
                return self.make.groups(number + str(0 if check == 11 else check), 3, 3)

    def us_passport(self) -> str:
        return self.make.pick(self.make.digits(9, "456"), self.make.letters(1, "AC") + self.make.digits(8))


def lookalikes(make: Maker) -> dict[str, Callable[[], str]]:
    """What looks like personal data and is none."""
    d, draw = make.digits, make.draw
    hexes = "0123456789abcdef"

    def isbn() -> str:
        body = "978" + d(9)
        total = sum(int(digit) * (3 if place % 2 else 1) for place, digit in enumerate(body))
        whole = body + str(-total % 10)
        return make.pick(f"978-{whole[3]}-{whole[4:7]}-{whole[7:12]}-{whole[12]}", whole, f"0-{d(3)}-{d(5)}-{d(1)}")

    return {
        "version": lambda: make.pick(f"{d(1)}.{d(2, '123')}.{d(1)}", f"v{d(1)}.{d(1)}.{d(2, '123')}-rc{d(1, '12')}", f"version {d(1)}.{d(1)}.{d(1)}.{d(1)}", f"release {d(2, '1')}.{d(1)}.{d(3, '1')}.{d(1)}", f"{d(1)}.{d(1)}.{d(4, '123456789')}.{d(3, '3456789')}", f"numpy=={d(1)}.{d(2, '12')}.{d(1)}", f"react@{d(2, '1')}.{d(1)}.{d(1)}", f"Chrome/{d(3, '1')}.0.{d(4, '4')}.{d(2, '123')}"),
        "isbn": isbn,
        "hash": lambda: make.pick(make.letters(40, hexes), make.letters(64, hexes), make.letters(7, hexes), make.letters(32, hexes), "sha256:" + make.letters(64, hexes), "0x" + make.letters(8, hexes).upper()),
        "uuid": lambda: str(uuid.UUID(int=draw.getrandbits(128), version=4)),
        "function": lambda: make.pick("std::vector<int>::push_back", "a::b::c()", "parse_email(value)", "get_user_by_phone", "validateCardNumber()", "@app.route('/users')", "@dataclass", "user@localhost", "is_valid_iban(x)", "Foo::Bar", "password_hash(pw)", "self.token = token", "os.environ['API_KEY']", "token = get_token()", "password: str", "secret_key=None", "icon@2x.png", "git@github.com:acme/widgets.git"),
        "order": lambda: make.pick(f"order {d(10, '123456789')}", f"invoice no. {d(8)}", f"ticket #{d(6)}", f"SKU-{d(4)}-{d(4)}", f"order number {d(3)}-{d(7)}-{d(7)}", f"tracking number 1Z{make.letters(6)}{d(10)}", f"PO{d(8)}", f"case {d(2)}-{d(5)}", f"part no. {d(3)}-{d(4)}-{d(2)}"),
        "timestamp": lambda: make.pick(f"20{d(2, '12')}-0{d(1, '123456789')}-1{d(1)}T{d(2, '1')}:{d(2, '12345')}:{d(2, '12345')}Z", f"17{d(8)}", f"17{d(11)}", f"20{d(2, '12')}-1{d(1, '012')}-2{d(1, '012345678')} 1{d(1)}:{d(2, '12345')}:{d(2, '12345')},{d(3)}", f"[{d(2, '12')[:1]}{d(1)}/Mar/2024:1{d(1)}:{d(2, '12345')}:{d(2, '12345')} +0000]", f"published on {d(1, '123456789')} June 20{d(2, '12')}", f"since 0{d(1, '123456789')}/1{d(1, '012')}/2019"),
        "chess": lambda: make.pick("1. e4 e5 2. Nf3 Nc6 3. Bb5 a6 4. Ba4 Nf6", "12. Qxd5+ Kh8 13. Rad1 Bf8", "1-0", "rnbqkbnr/pp1ppppp/8/2p5/4P3/8/PPPP1PPP/RNBQKBNR w KQkq c6 0 2"),
        "coordinates": lambda: make.pick(f"{d(2, '1234')}.{d(6)}, -{d(2, '123456789')}.{d(6)}", f"{d(2, '1234')}°{d(2, '12345')}'{d(2, '12345')}\"N {d(2, '123')}°{d(2, '12345')}'E", f"({d(2, '1234')}.{d(4)}, {d(3, '1')}.{d(4)})"),
        "price": lambda: make.pick(f"${d(1, '123456789')},{d(3)},{d(3)}.00", f"{d(1, '123456789')}.{d(3)}.{d(3)},{d(2)} EUR", f"€{d(3, '123456789')} {d(3)}", f"{d(3, '123')} {d(3)} {d(3)} people", f"£{d(4, '123456789')}.{d(2)}", f"{d(1, '123456789')} {d(3)} {d(3)} km"),
        "numbers": lambda: make.pick(f"3.14159265358979{d(2)}", f"{d(4, '12')} {d(4, '12')} {d(4, '12')} {d(2)}", f"[{d(3)}, {d(3)}, {d(4)}, {d(2)}]", f"{d(2)}-{d(2)}-{d(2)}", f"pages {d(3, '123')}-{d(3, '456')}", f"{d(2, '12')}:{d(2, '12345')}:{d(2, '12345')}", f"1e-{d(2, '1')}", f"Section {d(1, '123456789')}.{d(1)}.{d(1)}.{d(1)}", f"RFC {d(4, '123456789')}", f"{d(4, '123456789')}x{d(4, '123456789')}", f"00:1A:2B:{d(2)}:{d(2)}:{d(2)}", f"2018 2019 20{d(2, '2')}", "127.0.0.1:8080", "0.0.0.0", "255.255.255.0", f"doi:10.{d(4, '1')}/{d(7)}", f"arXiv:{d(4, '2')}.{d(5)}", f"{d(12, '123456789')} bytes", f"1234567890{d(1)}"),
        "prose": lambda: make.pick("the board was born in the storm of 1987", "the company was founded on 12 March 1994", "in room 12 on Main Street", "a house on Baker Street", "Via the back door 3 men came in", "the 12 apostles", "In 1984 George Orwell was already dead", "the password is required", "a secret: nobody knew", "token: a word or a part of one", "he died on 4 May 1821", "at 10 this morning the court opened", "Chapter 12 Place and time", "5 New Ways to cook", "30 Years War, 1618 to 1648", "Article 13 Paragraph 2", "the 1998 Tour de France, 21 stages", "api_key = \"YOUR_API_KEY\"", "password = getpass.getpass()", "Dr. Strangelove is a film"),
    }  # fmt: skip
