"""Published examples of each standard, and what only looks like one."""

from __future__ import annotations

import itertools
import string
import time

import pytest

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.finding import Finding, settle
from groundup.text.privacy.settings import PrivacySettings


def found(text: str) -> list[tuple[str, str]]:
    return [
        (finding.kind, text[finding.start : finding.end])
        for finding in find_personal_data(text, PrivacySettings("placeholder"))
    ]


@pytest.mark.parametrize(
    ("kind", "value", "before", "after"),
    [
        ("email", "jane.o'neil+news@mail.example.org", "Write to ", "."),
        ("email", "ann [at] mail [dot] org", "or ", ","),
        ("email", "j.doe (at) firma (punkt) de", "an ", "."),
        ("email", "ann dot doe at mail dot org", "<", ">"),
        ("email", "ann&#64;mail.org", "to ", "<br>"),
        ("phone", "+44 20 7946 0958", "ring ", "."),  # Ofcom's numbers for drama
        ("phone", "13800138000", "我的手机", "谢谢"),
        ("phone", "010-1234-5678", "전화 ", "로 연락"),
        ("phone", "(212) 555-0147 x12", "at ", "."),
        ("phone", "01 99 00 12 34", "au ", "."),  # ARCEP's numbers for fiction
        ("phone", "030 23125 014", "Telefon ", "."),  # Bundesnetzagentur's
        ("card", "4111 1111 1111 1111", "card ", "."),
        ("card", "378282246310005", "paid with ", " twice"),
        ("card", "4111\u00a01111\u00a01111\u00a01111", "with ", "."),
        ("card", "４１１１−１１１１−１１１１−１１１１".replace("−", "－"), "カード", "。"),
        ("card", "4111\u200b1111\u200b1111\u200b1111", "with ", "."),
        ("card", "2200 0000 0000 0004", "with ", "."),  # Mir's range
        ("iban", "GB82 WEST 1234\n5698 7654 32", "into ", "."),
        ("iban", "GB82 WEST 1234 5698 7654 32", "into ", "."),  # ISO 13616's example
        ("iban", "DE89370400440532013000", "into ", "."),
        ("national_id", "078-05-1120", "his SSN ", "."),
        ("national_id", "٠٧٨-٠٥-١١٢٠", "SSN ", "."),
        ("national_id", "rssmra85t10a562s", "codice fiscale ", "."),
        ("national_id", "123456782", "sin: ", "."),
        ("national_id", "2 55 08 14 168 025 38", "NIR ", "."),
        ("national_id", "12345678Z", "DNI ", "."),
        ("national_id", "RSSMRA85T10A562S", "C.F. ", "."),
        ("national_id", "86 095 742 719", "die ", "."),  # Bundeszentralamt für Steuern's example
        ("national_id", "2341 2341 2346", "number ", "."),
        ("national_id", "111.444.777-35", "documento ", "."),
        ("national_id", "131052-308T", "hetu ", "."),  # Digi- ja väestötietovirasto's example
        ("national_id", "11010519491231002X", "号 ", "."),  # GB 11643's example
        ("national_id", "756.9217.0769.85", "AHV ", "."),
        ("ip", "81.2.69.142", "from ", " today"),
        ("ip", "2001:db8:85a3::8a2e:370:7334", "from ", " today"),
        ("birth_date", "12 March 1980", "born on ", "."),
        ("birth_date", "3 listopada 1962", "urodzony ", "."),
        ("birth_date", "3 ноября 1962", "родилась ", " года"),
        ("birth_date", "3 Nov 1962", "Ann Doe (b. ", ")"),
        ("birth_date", "3. Mai 1950", "am ", " in Wien geboren"),
        ("address", "10 Downing Street, London SW1A 2AA", "at ", "."),
        ("address", "1600 Pennsylvania Avenue NW, Washington, DC 20500", "at ", "."),
        ("address", "Unter den Linden 77, 10117 Berlin", "Anschrift: ", "\n"),
        ("address", "55 rue du Faubourg Saint-Honoré, 75008 Paris", "au ", "."),
        ("address", "P.O. Box 4120, Portland, OR 97208", "to ", "."),
        ("address", "Rue de la Loi 16, 1000 Bruxelles", "Adresse: ", "\n"),
        ("address", "Calle Mayor 12, 2º izq., 08002 Barcelona", "en ", "."),
        ("address", "Rua das Flores, 123, apto 45, Centro, São Paulo - SP, 01001-000", "na ", "."),
        ("address", "ul. Nowa 10/12 m. 5, 00-590 Warszawa", "Adres: ", "\n"),
        ("address", "Drottninggatan 53, 111 21 Stockholm", "Adress: ", "\n"),
        ("address", "Unit 5/12 Beach St, Manly, NSW 2095", "at ", "."),
        ("secret", "AKIAIOSFODNN7EXAMPLE", "key ", "."),  # Amazon's own example
        ("secret", "tr0ub4dor&3", 'password = "', '"'),  # from xkcd 936
        ("secret", "s3cr3t-w0rd", "postgres://ann:", "@db/x"),
        ("name", "Ada Lovelace", "My name is ", " and"),
    ],
)
def test_a_published_example(kind: str, value: str, before: str, after: str) -> None:
    assert (kind, value) in found(before + value + after)


@pytest.mark.parametrize(
    "text",
    [
        "version 10.0.19.1 of 2024-01-15 10:22:33,123",
        "ISBN 978-3-16-148410-0, ISBN 0-306-40615-2",
        "sha256:3f2504e04f8911d39a0c0305e82c33013f2504e04f8911d39a0c0305e82c3301",
        "3f2504e0-4f89-11d3-9a0c-0305e82c3301",
        "icon@2x.png, lodash@4.17.21, git@github.com:a/b.git, @app.route('/x')",
        "a::b::c(), std::vector<int>::push_back, 12:30:45, 00:1a:2b:3c:4d:5e",
        "1. e4 e5 2. Nf3 Nc6 3. Bb5 a6",
        "52.520008, 13.404954; $1,234,567.00; 1 234 567 people",
        "127.0.0.1:8080, 0.0.0.0, 255.255.255.0",
        "password = getpass.getpass(); token = os.environ['TOKEN']; api_key = \"YOUR_API_KEY\"",
        "She was born in 1980 and the firm was founded on 12 March 1994.",
        "4111 1111 1111 1112",  # fails Luhn, and isn't called a card
        "GB82 WEST 1234 5698 7654 33",  # fails mod 97, and isn't called an IBAN
        "if name is None: pass",
        "1700000000000",
        "The file starts with -----BEGIN PRIVATE KEY----- and then come lines which nobody should see.",
        "name | next text\nx | 0.953–1.07",
        "look at the dot product at com level",
        "ab123456c",  # in small letters no number of a state, unless it is called one
        "ABCD12٣٤x٦HDFABC09",
    ],
)
def test_a_lookalike(text: str) -> None:
    assert found(text) == []


def test_a_column_of_a_table_is_called_what_its_head_says() -> None:
    rows = "id,ssn,birth_date,phone\n1,078051120,1980-03-12,2125550147\n"
    assert found(rows) == [("national_id", "078051120"), ("birth_date", "1980-03-12"), ("phone", "2125550147")]
    assert found(rows.replace("ssn,birth_date,phone", "a,b,c")) == []


def test_hostile_texts_take_time_in_proportion_to_their_length() -> None:
    """Each took many seconds when every find looked at all of its line, or every name at all of the text."""
    pairs = (
        f"my name is A{one}{two} B{three}. " for one, two, three in itertools.product(string.ascii_lowercase, repeat=3)
    )
    texts = ["id,ssn,b\n" + '"123456789",' * 3_000, "".join(itertools.islice(pairs, 8_000)), "Hi Bob, " * 20_000]
    start = time.process_time()
    for text in texts:
        find_personal_data(text, PrivacySettings())
    assert time.process_time() - start < 2


def test_a_whole_private_key_is_one_finding() -> None:
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEowIBAAKCAQEA0123+/\n" * 5 + "-----END RSA PRIVATE KEY-----"
    assert found(f"before\n{key}\nafter") == [("secret", key)]


def test_only_the_kinds_asked_for() -> None:
    text = "ann@mail.org, 4111 1111 1111 1111"
    findings = find_personal_data(text, PrivacySettings(kinds=("email",)))
    assert [finding.kind for finding in findings] == ["email"]


def test_overlaps_are_settled_by_certainty_then_length_and_joined_within_a_kind() -> None:
    card, phone = Finding("card", "card", 0, 10, 3), Finding("phone", "national", 5, 20, 1)
    assert settle([phone, card]) == [card]
    longer = Finding("ip", "ip_v4", 0, 12, 3)
    assert settle([card, longer]) == [longer]
    assert settle([Finding("phone", "a", 0, 8, 1), Finding("phone", "b", 4, 12, 2)]) == [
        Finding("phone", "b", 0, 12, 2)
    ]


def test_a_birth_date_before_its_word_is_found_whatever_stands_behind() -> None:
    text = "Sie wurde am 23/07/2010 in Wien geboren.\nid,amount\n776,2 64 12 30,10.81\n"
    assert ("birth_date", "23/07/2010") in [
        (finding.kind, text[finding.start : finding.end]) for finding in find_personal_data(text, PrivacySettings())
    ]


def test_birth_dates_of_two_sentences() -> None:
    text = "Sie wurde am 04.01.1999 in Wien geboren.Er wurde am 05.02.1998 in Graz geboren."
    assert [text[finding.start : finding.end] for finding in find_personal_data(text, PrivacySettings())] == [
        "04.01.1999",
        "05.02.1998",
    ]
