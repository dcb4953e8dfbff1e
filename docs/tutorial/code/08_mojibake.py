"""Bytes that were read in the wrong encoding, and the way back; and where the way back does harm."""

from __future__ import annotations

import unicodedata

SENTENCE = "It’s at Zoë’s café."


def repair(text: str, wrong: str = "cp1252") -> str:
    """Back into the bytes, and read as UTF-8: if that is possible, it was probably wrong before."""
    try:
        return text.encode(wrong).decode("utf-8")
    except UnicodeError:
        return text


for wrong in ("cp1252", "mac_roman", "cp850"):
    damaged = SENTENCE.encode("utf-8").decode(wrong)
    print(f"read as {wrong:10} {damaged:28} repaired: {repair(damaged, wrong)}")
twice = SENTENCE.encode("utf-8").decode("cp1252").encode("utf-8").decode("cp1252")
print(f"twice              {twice}")

print("\nleft alone, as it should be:", repair(SENTENCE), "|", repair("naïve Ärzte"))
bought = "The brand is LIBERTÉ®."  # correct text, whose bytes happen to be one letter in UTF-8
print(f"and the harm:                {bought} -> {repair(bought)}")

typed = unicodedata.normalize("NFD", "café")
print(f"\n'café' is 'café': {typed == 'café'}; after NFC: {unicodedata.normalize('NFC', typed) == 'café'}")
print(f"NFKC makes more equal, and loses something: {unicodedata.normalize('NFKC', 'x² + ½ ﬁ')!r}")

assert repair(SENTENCE.encode("utf-8").decode("mac_roman"), "mac_roman") == SENTENCE
assert repair(repair(twice)) == SENTENCE
assert repair(bought) != bought
