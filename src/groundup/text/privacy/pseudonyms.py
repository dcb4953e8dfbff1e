"""Stand-ins: the same value under the same key becomes the same stand-in (HMAC-SHA-256, RFC 2104), of the same shape where that is
of use, and never anybody's own.

None of them is found again by the detectors, since each breaks a rule that a real value keeps: an e-mail address lies under
`.example`, a telephone number begins with +999 or 000, a card begins with 0 and fails Luhn, an IBAN has the check digits 00, an
Internet address lies in 240.0.0.0/4 or 3fff::/20, a date of birth in the 18th century, and a national number fails its check.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import ipaddress
import os
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path

from groundup.errors import DataError
from groundup.text.privacy.checksums import luhn
from groundup.text.privacy.plain import plain
from groundup.text.privacy.settings import Kind

LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
FEWEST_KEY_BYTES = 16


def read_key(variable: str) -> bytes:
    """The key from an environment variable, which holds it or the path of a file with it.

    What holds a `/` or names a file is a path. Raises `DataError` when there is no key, or it has fewer than 16 bytes; what the
    variable holds is not told, since it may be the key.
    """
    value = os.environ.get(variable, "").strip()
    advice = (
        f"set {variable} to a secret of at least {FEWEST_KEY_BYTES} characters, or to the path of a file that holds one"
    )
    if not value:
        raise DataError(
            f"privacy.mode = 'pseudonym' needs a key, and the environment variable {variable} is not set: {advice}"
        )
    key = value.encode()
    if os.sep in value or os.path.isfile(value):
        try:
            key = Path(value).expanduser().read_bytes().strip()
        except OSError as error:
            raise DataError(
                f"the key file that {variable} names cannot be read ({error.strerror}): {advice}; a secret with a {os.sep} in it "
                "has to lie in a file"
            ) from None
    if len(key) < FEWEST_KEY_BYTES:
        raise DataError(f"the key of {variable} has {len(key)} bytes, which can be guessed: {advice}")
    return key


def pseudonym(kind: Kind, value: str, key: bytes) -> str:
    """The stand-in for a value. What is written in another way but is the same (spaces, capitals, an internet address with or
    without its zeros) gets the same letters and digits."""
    value = plain(value)
    same = _same(kind, unicodedata.normalize("NFKC", value).casefold())
    draw = _draws(key, f"{kind}\0{same}".encode())
    if kind == "email":
        return f"{_letters(draw, 10)}@{_letters(draw, 6)}.example"
    if kind == "phone":
        international = value.lstrip("(").startswith("+") or value.startswith("00")
        return _refilled(value, ("00999" if value.startswith("00") else "999") if international else "000", draw)
    if kind == "card":
        return _failing_luhn(_refilled(value, "0", draw))
    if kind == "iban":
        return value[:2] + "00" + _refilled(value[4:], "", draw)
    if kind == "ip":
        return _address(value, draw)
    if kind == "birth_date":
        return _date(value, draw)
    if kind == "national_id":
        return _refilled(value, "000", draw)
    if kind == "name":
        return f"Person-{_letters(draw, 6).upper().translate(_ONLY_LETTERS)}"
    return f"<{kind.upper()}-{_letters(draw, 8)}>"


def _same(kind: Kind, value: str) -> str:
    """What is the same however a value is written: for numbers their letters and digits, for text all but its spaces."""
    if kind == "phone":
        value = value.removeprefix("00")
    if kind == "ip":
        with contextlib.suppress(ValueError):  # two findings made one may be none
            return ipaddress.ip_address(value).compressed
    if kind in ("email", "secret"):
        return "".join(value.split())
    return "".join(character for character in value if character.isalnum())


_ONLY_LETTERS = str.maketrans("234567", "GHJKLM")


def _draws(key: bytes, value: bytes) -> Callable[[int], int]:
    """A function that gives the next number below its argument; all follow from key and value."""
    state = int.from_bytes(
        b"".join(hmac.digest(key, bytes([part]) + value, hashlib.sha256) for part in range(4)), "big"
    )

    def draw(below: int) -> int:
        nonlocal state
        state, number = divmod(state, below)
        return number

    return draw


def _letters(draw: Callable[[int], int], count: int) -> str:
    return "".join(LETTERS[draw(32)] for _ in range(count))


def _refilled(value: str, first_digits: str, draw: Callable[[int], int]) -> str:
    """Each digit by another, each letter by another of its case, all else as it was; the first digits are given."""
    given = iter(first_digits)
    characters = []
    for character in value:
        if character.isdigit():
            characters.append(next(given, "") or str(draw(10)))
        elif character.isascii() and character.isalpha():
            characters.append(chr((65 if character.isupper() else 97) + draw(26)))
        else:
            characters.append(character)
    return "".join(characters)


def _failing_luhn(number: str) -> str:
    digits = "".join(character for character in number if character.isdigit())
    return number[:-1] + str((int(number[-1]) + 1) % 10) if luhn(digits) else number


def _address(value: str, draw: Callable[[int], int]) -> str:
    if ":" not in value:
        return f"{240 + draw(15)}.{draw(256)}.{draw(256)}.{draw(256)}"
    return f"3fff:{draw(4096):x}:" + ":".join(f"{draw(65536):x}" for _ in range(6))


def _date(value: str, draw: Callable[[int], int]) -> str:
    """A day from 1700 to 1799, written as the value is where that is three numbers with a whole year; else as year-month-day."""
    year, month, day = (
        f"17{draw(100):02d}",
        1 + draw(12),
        1 + draw(12),
    )  # a day that may stand in the month's place, too
    numbers = re.findall("[0-9]+", value)
    if len(numbers) == 3 and any(len(number) == 4 for number in numbers):
        rest = iter((month, day))
        return re.sub("[0-9]+", lambda part: year if len(part[0]) == 4 else f"{next(rest):0{len(part[0])}d}", value)
    return f"{year}{month:02d}{day:02d}" if value.isdigit() else f"{year}-{month:02d}-{day:02d}"
