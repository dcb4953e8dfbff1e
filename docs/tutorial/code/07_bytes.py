"""What a character is: what you see, the numbers that Unicode gives it, and the bytes that they are written in."""

from __future__ import annotations

import unicodedata

from groundup.textbook import BytePairTokenizer

tokenizer = BytePairTokenizer("", vocab_size=257)  # the 256 bytes and the end of a text: no merge learned yet
SIGNS = {
    "a letter": "e",
    "with an accent": "é",
    "the same, in two parts": "e\u0301",
    "a Greek letter": "λ",
    "a Hindi syllable": "नि",
    "a Chinese word": "风筝",
    "a face": "🙂",
    "a family": "👩\u200d👧",
}
print("                          characters  bytes   the bytes")
for name, sign in SIGNS.items():
    print(f"{name:26}{len(sign):10}{len(sign.encode()):7}   {sign.encode().hex(' ')}")
    assert tokenizer.decode(tokenizer.encode(sign)) == sign  # whatever it is, bytes can write it

one, two = SIGNS["with an accent"], SIGNS["the same, in two parts"]
print(
    f"\nequal to the eye, equal to Python: {one == two}; after normalization: {unicodedata.normalize('NFC', two) == one}"
)

half = tokenizer.encode("风")[:2]
print(f"two of the three bytes of a sign, decoded: {tokenizer.decode(half)}")
typed = tokenizer.encode("<|endoftext|>")
print(
    f"an end that somebody typed: {len(typed)} tokens, and the end token is among them: {tokenizer.eos_token_id in typed}"
)

assert one != two
assert tokenizer.eos_token_id not in typed
