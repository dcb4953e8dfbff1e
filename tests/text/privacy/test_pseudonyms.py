from __future__ import annotations

import ipaddress
import re
from pathlib import Path

import pytest

from groundup.errors import DataError, SettingError
from groundup.text.privacy.checksums import luhn, mod_97
from groundup.text.privacy.pseudonyms import pseudonym, read_key
from groundup.text.privacy.scrub import scrub
from groundup.text.privacy.settings import Kind, PrivacySettings

KEY = b"a key for the tests alone"
PSEUDONYM = PrivacySettings(mode="pseudonym")


def test_the_same_value_has_the_same_stand_in_and_another_key_another() -> None:
    text = "ann@mail.org wrote to bob@mail.org; ANN@mail.org again"
    first, second, third = re.findall(r"\S+@\S+\.example", scrub(text, PSEUDONYM, KEY).text)
    assert first == third != second
    assert scrub(text, PSEUDONYM, b"another key for the tests").text != scrub(text, PSEUDONYM, KEY).text
    assert pseudonym("card", "4111 1111 1111 1111", KEY).replace(" ", "") == pseudonym("card", "4111111111111111", KEY)


@pytest.mark.parametrize(
    ("kind", "one", "another"),
    [
        ("email", "josé@mail.org", "JOSE\u0301@mail.org"),
        ("phone", "+44 20 7946 0958", "0044 20 79460958"),
        ("ip", "2001:db8::1", "2001:0DB8:0:0:0:0:0:1"),
        ("card", "4111 1111 1111 1111", "４１１１１１１１\u200b１１１１１１１１"),
        ("name", "Ann Doe", "ANN\nDOE"),
    ],
)
def test_another_way_to_write_the_same(kind: Kind, one: str, another: str) -> None:
    first, second = pseudonym(kind, one, KEY), pseudonym(kind, another, KEY)
    assert re.sub(r"\W|^00", "", first) == re.sub(r"\W|^00", "", second)
    assert pseudonym("email", "a-b@mail.org", KEY) != pseudonym("email", "ab@mail.org", KEY)


@pytest.mark.parametrize(
    "date", ["23 March 1980", "March 23rd, 1980", "23.03.1980", "19800323", "23/03/80", "1980年03月23日"]
)
def test_a_stand_in_of_a_birth_keeps_neither_day_nor_month_nor_year(date: str) -> None:
    stand_ins = {pseudonym("birth_date", date, f"a key for the tests, {number}".encode()) for number in range(40)}
    assert len(stand_ins) > 30  # drawn, not the same for all
    assert not any(
        part in stand_in
        for stand_in in stand_ins
        for part in ("March", "23", "80", "1980")
        if part != "80" or "17" not in stand_in
    )
    assert all(re.search("17[0-9]{2}", stand_in) for stand_in in stand_ins)


def test_the_shape_stays() -> None:
    for kind, value in [("phone", "(212) 555-0147"), ("card", "4111-1111-1111-1111"), ("national_id", "AB 12 34 56 C")]:
        stand_in = pseudonym(kind, value, KEY)  # type: ignore[arg-type]
        assert re.sub("[A-Z]", "A", re.sub(r"\d", "9", stand_in)) == re.sub("[A-Z]", "A", re.sub(r"\d", "9", value))


def test_no_stand_in_can_be_somebodys() -> None:
    for number in range(200):
        card = pseudonym("card", f"4{number:015d}", KEY)
        assert not luhn(card)
        assert card[0] == "0"
        iban = pseudonym("iban", f"DE89{number:018d}", KEY)
        assert iban.startswith("DE00")
        assert not mod_97(iban)
        assert pseudonym("phone", f"+1 212 555 {number:04d}", KEY).startswith("+9 99")
        assert ipaddress.ip_address(pseudonym("ip", f"81.2.69.{number}", KEY)).is_reserved
        assert ipaddress.ip_address(pseudonym("ip", f"2001:db8::{number:x}", KEY)) in ipaddress.ip_network("3fff::/20")
        assert "17" in pseudonym("birth_date", f"{number % 28 + 1} May 1980", KEY)


def test_the_key_is_read_from_the_variable_or_from_the_file_it_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_KEY", "0123456789abcdef")
    assert read_key("A_KEY") == b"0123456789abcdef"
    (tmp_path / "key").write_bytes(b"fedcba9876543210\n")
    monkeypatch.setenv("A_KEY", str(tmp_path / "key"))
    assert read_key("A_KEY") == b"fedcba9876543210"


def test_a_key_that_will_not_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("A_KEY", raising=False)
    with pytest.raises(DataError, match="the environment variable A_KEY is not set: set A_KEY to a secret"):
        read_key("A_KEY")
    monkeypatch.setenv("A_KEY", "short")
    with pytest.raises(DataError, match="has 5 bytes, which can be guessed"):
        read_key("A_KEY")
    long = "a-secret-" * 40  # longer than any file's name
    monkeypatch.setenv("A_KEY", long)
    assert read_key("A_KEY") == long.encode()
    monkeypatch.setenv("A_KEY", "c2VjcmV0IGtleQ/+c2VjcmV0IGtleQ==")
    with pytest.raises(DataError, match="a secret with a / in it has to lie in a file") as caught:
        read_key("A_KEY")
    assert "c2Vj" not in str(caught.value)
    monkeypatch.setenv("A_KEY", str(tmp_path / "none"))
    with pytest.raises(DataError, match="cannot be read"):
        read_key("A_KEY")
    with pytest.raises(ValueError, match="needs a key"):
        scrub("ann@mail.org", PSEUDONYM)


def test_settings_say_what_would_be_right() -> None:
    with pytest.raises(SettingError, match=r"privacy.kinds = \(\): choose at least one of email, phone"):
        PrivacySettings(kinds=())
    with pytest.raises(SettingError, match=r"privacy\.names_model"):
        PrivacySettings(names_model=" ")
    with pytest.raises(SettingError, match=r"privacy\.key_variable"):
        PrivacySettings(key_variable="not a name")


def test_drop_and_none() -> None:
    dropped = scrub("ann@mail.org", PrivacySettings(mode="drop"))
    assert dropped.drop
    assert dropped.counts == {"email": 1}
    assert not scrub("nothing", PrivacySettings(mode="drop")).drop
    assert scrub("ann@mail.org", PrivacySettings(mode="none")).text == "ann@mail.org"
