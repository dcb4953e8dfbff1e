"""tiktoken's vocabulary files: a line for each token, its bytes in base64 and its rank. GPT-2's own two files, too."""

from __future__ import annotations

import base64
import itertools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import tokenizers
from tokenizers import Regex, decoders, models, pre_tokenizers

from groundup.errors import TokenizerError
from groundup.tokens.patterns import CL100K, GPT2, O200K, bytes_of_letters
from groundup.tokens.special import END, with_special_tokens
from groundup.tokens.tokenizer import Tokenizer

# The file holds neither the pattern nor the special tokens: they go with its name.
FILL_IN = {"<|fim_prefix|>": 100258, "<|fim_middle|>": 100259, "<|fim_suffix|>": 100260, "<|endofprompt|>": 100276}
ENCODINGS: dict[str, tuple[str, dict[str, int]]] = {
    "r50k_base": (GPT2, {END: 50256}),
    "p50k_base": (GPT2, {END: 50256}),
    "cl100k_base": (CL100K, {END: 100257, **FILL_IN}),
    "o200k_base": (O200K, {END: 199999, "<|endofprompt|>": 200018}),
}
GPT2_VOCABULARY = 50257


def read_tiktoken_file(path: Path) -> Tokenizer:
    """The tokenizer of a tiktoken file, named for its encoding. Raises `TokenizerError` for another name or a damaged line."""
    if path.stem not in ENCODINGS:
        names = ", ".join(f"{name}.tiktoken" for name in ENCODINGS)
        raise TokenizerError(
            f"{path} doesn't say how its text is cut: it goes with the encoding's name, so call the file one of {names}"
        )
    pattern, special = ENCODINGS[path.stem]
    ranks = read_ranks(path)
    missing = [byte for byte in range(256) if bytes([byte]) not in ranks]
    if missing:
        raise TokenizerError(f"{path} has no token for byte {missing[0]}: fetch it again")
    return byte_level_tokenizer(ranks, merges_of(ranks), pattern, special)


def read_ranks(path: Path) -> dict[bytes, int]:
    """From tokens to ranks, which are their ids, too."""
    ranks: dict[bytes, int] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), start=1):
        try:
            token, rank = line.split()
            ranks[base64.b64decode(token, validate=True)] = int(rank)
        except ValueError as error:
            raise TokenizerError(
                f"{path}, line {number}: not a token in base64 and its rank; fetch the file again"
            ) from error
    return ranks


def merges_of(ranks: Mapping[bytes, int]) -> list[tuple[bytes, bytes]]:
    """The pair that each token was joined from, in order: what is left of its bytes when all lower ranks are joined.

    A token of which more than two parts are left can only stand for a whole piece; it has no pair.
    """
    merges = []
    for token, rank in sorted(ranks.items(), key=lambda item: item[1]):
        parts = [token[place : place + 1] for place in range(len(token))]
        while len(parts) > 1:
            joined = [ranks.get(left + right, rank) for left, right in itertools.pairwise(parts)]
            lowest = min(joined)
            if lowest >= rank:
                break
            place = joined.index(lowest)
            parts[place : place + 2] = [parts[place] + parts[place + 1]]
        if len(parts) == 2:
            merges.append((parts[0], parts[1]))
    return merges


def read_gpt2_files(vocabulary: Path, merges: Path) -> Tokenizer:
    """GPT-2's tokenizer of its encoder.json (vocab.json) and vocab.bpe (merges.txt), in the letters that spell bytes there."""
    try:
        vocab: dict[str, int] = json.loads(vocabulary.read_text(encoding="utf-8"))
        lines = merges.read_text(encoding="utf-8").split("\n")
        letters = bytes_of_letters()
        pairs = [tuple(line.split(" ")) for line in lines if line and not line.startswith("#version")]
        spelled = [(_bytes(left, letters), _bytes(right, letters)) for left, right in pairs]
        ranks = {_bytes(token, letters): number for token, number in vocab.items() if token != END}
    except (ValueError, KeyError, AttributeError) as error:
        raise TokenizerError(
            f"{vocabulary} and {merges.name} are not a vocabulary and merges as GPT-2's ({error}): "
            f"save the tokenizer as tokenizer.json"
        ) from error
    if END not in vocab:
        raise TokenizerError(
            f"{vocabulary} is not GPT-2's: it has no {END}, and doesn't say how its text is cut; save the tokenizer as tokenizer.json"
        )
    told = vocabulary.with_name("tokenizer_config.json")
    try:
        kind = json.loads(told.read_text(encoding="utf-8")).get("tokenizer_class") if told.is_file() else None
    except (ValueError, AttributeError):
        kind = "unreadable"
    if (kind is None and len(vocab) != GPT2_VOCABULARY) or (kind and not str(kind).startswith("GPT2Tokenizer")):
        what = (
            f"{told.name} names the class {kind}" if kind else f"it has {len(vocab):,} tokens, not {GPT2_VOCABULARY:,}"
        )
        raise TokenizerError(
            f"{vocabulary} is not GPT-2's ({what}), and doesn't say how its text is cut: save the tokenizer as tokenizer.json"
        )
    return byte_level_tokenizer(ranks, spelled, GPT2, {END: vocab[END]})


def _bytes(token: str, letters: Mapping[str, int]) -> bytes:
    return bytes(letters[letter] for letter in token)


def byte_level_tokenizer(
    ids: Mapping[bytes, int], merges: Sequence[tuple[bytes, bytes]], pattern: str, special: Mapping[str, int]
) -> Tokenizer:
    """A byte-level BPE tokenizer of tokens, merges and special tokens with their ids."""
    letter = {byte: letter for letter, byte in bytes_of_letters().items()}

    def spell(token: bytes) -> str:
        return "".join(letter[byte] for byte in token)

    vocab = {spell(token): number for token, number in ids.items()} | dict(special)
    pairs = [(spell(left), spell(right)) for left, right in merges]
    try:
        # A token that no merge makes is only found when whole pieces are looked up first.
        model = models.BPE(vocab=vocab, merges=pairs, ignore_merges=len(pairs) < len(ids) - 256)
    except MemoryError:
        raise
    except Exception as error:  # the library raises bare Exception
        raise TokenizerError(
            f"the vocabulary and its merges don't belong together ({error}): fetch them again"
        ) from error
    tokenizer = tokenizers.Tokenizer(model)
    if pattern == GPT2:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    else:
        words = pre_tokenizers.Split(Regex(pattern), "isolated")
        spelled = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, spelled])
    tokenizer.decoder = decoders.ByteLevel()
    return with_special_tokens(tokenizer, list(special))
