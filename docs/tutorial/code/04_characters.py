"""From text to numbers and back, with one token for each character."""

from __future__ import annotations

from village import LINES, TOKENS, split_words

from groundup.textbook import CharacterTokenizer

tokenizer = CharacterTokenizer("\n".join(LINES))
line = LINES[0]
ids = tokenizer.encode(line)

print(f"{line!r} has {len(ids)} characters and {len(split_words(line))} words")
print(f"first ids: {ids[:12]}")
print(f"and back:  {tokenizer.decode(ids)!r}")
print(f"never seen before: {tokenizer.encode('Max?')}, read back as {tokenizer.decode(tokenizer.encode('Max?'))!r}")
print(f"different tokens: {tokenizer.vocab_size} characters, {len(TOKENS)} words")

assert tokenizer.decode(ids) == line
assert tokenizer.unk_token_id in tokenizer.encode("Max?")
