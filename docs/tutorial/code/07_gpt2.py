"""What GPT-2's tokenizer makes of a text: words, capitals, digits, spaces, and a name that hardly anybody wrote."""

from __future__ import annotations

from gpt2 import FOLDER, GPT2

from groundup.tokens.existing import read_tokenizer

gpt2 = GPT2()
print(f"'Hello world!' -> {gpt2.encode('Hello world!')}")
TEXTS = (
    "Hello world! hello World! HELLO",
    "kite kites Kite kite-flying antikite",
    "Mia lent Ben a",
    "Mia lent Ben a ",
    "7 77 777 7777 2024 2025 31337",
    "if x:\n        return 1",
    "ein Drachen, der Drachen",
)
for text in TEXTS:
    print(f"{len(gpt2.encode(text)):3} tokens   {gpt2.show(text)}")
print(f"a name of a forum's user: {gpt2.encode(' SolidGoldMagikarp')}")

assert gpt2.encode("Hello world!") == [15496, 995, 0]
library = read_tokenizer(FOLDER)
assert all(gpt2.encode(text) == library.encode(text) for text in TEXTS)
assert all(gpt2.decode(gpt2.encode(text)) == text for text in TEXTS)
assert len(gpt2.encode(" SolidGoldMagikarp")) == 1
