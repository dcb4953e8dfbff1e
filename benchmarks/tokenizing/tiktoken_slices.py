"""tiktoken by itself, with the merges and the pattern of tokenizer.json."""

from __future__ import annotations

import json

import tiktoken
from benchmarks.tokenizing.letters import bytes_of_letters
from benchmarks.tokenizing.slices import FOLDER, encode_slices

description = json.loads((FOLDER / "tokenizer.json").read_text(encoding="utf-8"))
letters = bytes_of_letters()
special = {token["content"] for token in description["added_tokens"]}
ranks = {
    bytes(letters[letter] for letter in token): number
    for token, number in description["model"]["vocab"].items()
    if token not in special
}
pattern = description["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"]
encoding = tiktoken.Encoding("text", pat_str=pattern, mergeable_ranks=ranks, special_tokens={})
encode_slices(lambda texts: map(encoding.encode_ordinary, texts))
