"""Check digits, each after the standard that defines it. All take the digits as text, without separators."""

from __future__ import annotations

from collections.abc import Sequence


def luhn(digits: str) -> bool:
    """ISO/IEC 7812-1, annex B: from the right, every second digit doubled, digit sums added, a multiple of 10."""
    total = 0
    for index, digit in enumerate(reversed(digits)):
        value = int(digit) * (1 + index % 2)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


def mod_97(iban: str) -> bool:
    """ISO 13616 (ISO 7064, MOD 97-10): check digits from 02 to 98; the first four characters moved to the end, letters as 10 to 35, remainder 1."""
    spelled = "".join(str(int(character, 36)) for character in iban[4:] + iban[:4])
    return 2 <= int(iban[2:4]) <= 98 and int(spelled) % 97 == 1


_D5 = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
    [1, 2, 3, 4, 0, 6, 7, 8, 9, 5],
    [2, 3, 4, 0, 1, 7, 8, 9, 5, 6],
    [3, 4, 0, 1, 2, 8, 9, 5, 6, 7],
    [4, 0, 1, 2, 3, 9, 5, 6, 7, 8],
    [5, 9, 8, 7, 6, 0, 4, 3, 2, 1],
    [6, 5, 9, 8, 7, 1, 0, 4, 3, 2],
    [7, 6, 5, 9, 8, 2, 1, 0, 4, 3],
    [8, 7, 6, 5, 9, 3, 2, 1, 0, 4],
    [9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
]  # the dihedral group of order 10
_TURN = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]  # the permutation that is applied once more at each place


def verhoeff(digits: str) -> bool:
    """Verhoeff, Error Detecting Decimal Codes (1969), as Aadhaar uses it."""
    check, permutation = 0, list(range(10))
    for digit in reversed(digits):
        check = _D5[check][permutation[int(digit)]]
        permutation = [_TURN[value] for value in permutation]
    return check == 0


def mod_11_10(digits: str) -> bool:
    """ISO 7064, MOD 11,10, as the German tax number uses it."""
    product = 10
    for digit in digits[:-1]:
        product = ((int(digit) + product) % 10 or 10) * 2 % 11
    return (11 - product) % 10 == int(digits[-1])


def weighted(digits: str, weights: Sequence[int]) -> int:
    """The sum of digits times weights; the shorter one says how many."""
    return sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=False))


def mod_11_2(digits: str, check: str) -> bool:
    """ISO 7064, MOD 11-2, whose check character may be X for 10, as the Chinese resident number uses it."""
    remainder = 0
    for digit in digits:
        remainder = (remainder + int(digit)) * 2 % 11
    return "0123456789X"[(12 - remainder) % 11] == check.upper()


def ean(digits: str) -> bool:
    """GS1's check digit: from the right, weights 1 and 3 in turn, a multiple of 10."""
    return sum(int(digit) * (3 if index % 2 else 1) for index, digit in enumerate(reversed(digits))) % 10 == 0
