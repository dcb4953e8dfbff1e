"""A tokenizer as the settings of a GGUF file, from which llama.cpp gives the same ids.

| our tokenizer | `tokenizer.ggml.model` | what llama.cpp does with it |
|---|---|---|
| byte pairs over bytes | `gpt2`, with the name of how text is cut | the same |
| SentencePiece's byte pairs | `llama` | the same |
| characters, others spelled in bytes | `llama` | the same: pieces of one character leave nothing to join |
| characters, others unknown | `t5` | the same, but for several unknown characters in a row: one unknown token |
| words, others unknown | `t5` | the same for known words; others are spelled by shorter words that it has |

`llama` and `t5` write a space as ▁ (U+2581), so that sign in a text is read as a space.
What each kind says is read by llama.cpp's src/llama-vocab.cpp; the keys are those of github.com/ggml-org/ggml, docs/gguf.md.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from typing import Any, get_args

from groundup.errors import TokenizerError
from groundup.tokens.byte_pair import cut_by
from groundup.tokens.conversation import end_of_turn
from groundup.tokens.sentencepiece_file import SPACE, Kind
from groundup.tokens.settings import PreTokenizer
from groundup.tokens.tokenizer import Tokenizer

OTHER_FORMS = "export it with --to hf or --to onnx, which carry any tokenizer"
Facts = dict[str, Any]


def gguf_vocabulary(tokenizer: Tokenizer, vocab_size: int) -> Facts:
    """The settings `tokenizer.…` of a GGUF file whose embedding has `vocab_size` rows.

    Raises `TokenizerError` for a tokenizer that llama.cpp has no like of.
    """
    description = tokenizer.description()
    model, added = description["model"], description.get("added_tokens") or []
    if model["type"] == "BPE" and _cut_name(description) is not None:
        facts = _byte_pairs(description)
    elif model["type"] == "BPE" and model.get("byte_fallback"):
        facts = _sentencepiece(description)
    elif model["type"] == "BPE" and not model.get("merges") and not description.get("pre_tokenizer"):
        facts = _whole_pieces(description, "characters")
    elif model["type"] == "WordLevel":
        facts = _whole_pieces(description, "words")
    else:
        raise _refusal(f"it is of type {model['type']} and cuts text in a way that llama.cpp has no name for")
    by_spaces = facts["tokenizer.ggml.model"] != "gpt2"
    pieces, kinds = _pieces(model["vocab"], added, model.get("unk_token"), vocab_size, by_spaces)
    facts |= {"tokenizer.ggml.tokens": pieces, "tokenizer.ggml.token_type": kinds}
    if by_spaces:
        ranks = _ranks(model) if facts["tokenizer.ggml.model"] == "llama" else {}
        facts["tokenizer.ggml.scores"] = [-float(ranks.get(piece, 0)) for piece in pieces]
    return facts | _special(tokenizer)


def expected_ids(tokenizer: Tokenizer, text: str, whole: bool = True) -> list[int] | None:
    """The ids that llama.cpp gives by the rules above; None where they say nothing: a word that isn't known, a ▁.

    Of a `whole` text with the special tokens that the tokenizer puts around it.
    """
    description = tokenizer.description()
    ids, unknown = tokenizer.encode(text, whole), tokenizer.unknown_id
    if _cut_name(description) is not None:
        return ids
    if SPACE in text or (description["model"]["type"] == "WordLevel" and unknown in ids):
        return None
    if description["model"].get("fuse_unk") or description["model"].get("byte_fallback"):
        return ids
    return [each for place, each in enumerate(ids) if each != unknown or not place or ids[place - 1] != unknown]


def _refusal(reason: str) -> TokenizerError:
    return TokenizerError(f"this tokenizer can't be told in a GGUF file with equal ids: {reason}; {OTHER_FORMS}")


def _byte_pairs(description: Mapping[str, Any]) -> Facts:
    normalizer = description.get("normalizer")
    if (
        normalizer is not None and normalizer.get("type") != "NFC"
    ):  # which changes nothing in most texts, as in Qwen's own files
        raise _refusal(f"it changes characters first ({normalizer.get('type')})")
    merges = description["model"]["merges"]
    return {
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.pre": _cut_name(description),
        "tokenizer.ggml.merges": [merge if isinstance(merge, str) else " ".join(merge) for merge in merges],
    }


def _cut_name(description: Mapping[str, Any]) -> str | None:
    """The name that GGUF files have for how the tokenizer cuts text."""
    cut = _without_defaults(description.get("pre_tokenizer"))
    for name in get_args(PreTokenizer):
        if cut == _without_defaults(json.loads(cut_by(name).__getstate__())):
            return str(name)
    return None


def _without_defaults(step: Any) -> Any:
    """A pre-tokenizer's steps, without `trim_offsets`, which only tells where tokens stand."""
    steps = (step.get("pretokenizers") or [step]) if step else []
    return [{name: value for name, value in each.items() if name != "trim_offsets"} for each in steps]


def _sentencepiece(description: Mapping[str, Any]) -> Facts:
    """Byte pairs over characters, spaces written as ▁, unknown characters in bytes: SentencePiece's, or a character vocabulary."""
    normalizer, characters = description.get("normalizer"), not description["model"].get("merges")
    known = ["Prepend", "Replace"] if normalizer else []
    steps = (normalizer.get("normalizers") or [normalizer]) if normalizer else []
    names = [step["type"] for step in steps]
    replaced = [step for step in steps if step["type"] == "Replace"]
    plain = all(step.get("pattern") == {"String": " "} and step.get("content") == SPACE for step in replaced)
    if description.get("pre_tokenizer") or not plain or (names not in (known, known[1:]) and not characters):
        raise _refusal("it changes characters or spaces before it looks for tokens")
    return {
        "tokenizer.ggml.model": "llama",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.add_space_prefix": "Prepend" in names,
        "tokenizer.ggml.remove_extra_whitespaces": False,
    }


def _whole_pieces(description: Mapping[str, Any], what: str) -> Facts:
    """Pieces of which none is made of others: a unigram model in which each costs the same."""
    if description.get("normalizer") or description["model"].get("unk_token") not in description["model"]["vocab"]:
        raise _refusal(f"its {what} are changed first, or it has no token for unknown ones")
    return {
        "tokenizer.ggml.model": "t5",
        "tokenizer.ggml.pre": "default",
        "tokenizer.ggml.add_space_prefix": False,
        "tokenizer.ggml.remove_extra_whitespaces": False,
    }


def _pieces(
    vocab: Mapping[str, int], added: list[Mapping[str, Any]], unknown: str | None, vocab_size: int, by_spaces: bool
) -> tuple[list[str], list[int]]:
    """Every row of the embedding: how it is spelled, and what kind of token it is. Rows without a token are unused."""
    pieces = [f"[PAD{number}]" for number in range(vocab_size)]  # llama.cpp's converter names them so
    kinds = [
        int(Kind.CONTROL if by_spaces else Kind.UNUSED)
    ] * vocab_size  # a unigram model would find unused ones in text
    special = {token["content"]: token["special"] for token in added}
    ids = {**vocab, **{token["content"]: token["id"] for token in added}}
    for piece, number in ids.items():
        spelled = piece
        if piece == unknown:
            kind = Kind.UNKNOWN
        elif piece in special:
            kind = Kind.CONTROL if special[piece] else Kind.USER_DEFINED
        elif by_spaces and len(piece) == 6 and piece.startswith("<0x") and piece.endswith(">"):
            kind = Kind.BYTE
        else:
            kind, spelled = Kind.NORMAL, piece.replace(" ", SPACE) if by_spaces else piece
        if by_spaces and spelled != piece and spelled in ids:
            raise _refusal(f"it has {piece!r} and {spelled!r}, which are written alike there")
        pieces[number], kinds[number] = spelled, int(kind)
    return pieces, kinds


def _ranks(model: Mapping[str, Any]) -> dict[str, int]:
    """For each token that merges make, how early the first of them comes."""
    ranks: dict[str, int] = {}
    for place, merge in enumerate(model.get("merges") or []):
        ranks.setdefault("".join(merge.split(" ") if isinstance(merge, str) else merge), place)
    return ranks


def _special(tokenizer: Tokenizer) -> Facts:
    """Which token does what, and what stands before and behind a text."""
    if tokenizer.end_id is None:
        raise _refusal("it has no token that ends a text, and llama.cpp would take another for it")
    template = tokenizer.chat_template
    end_turn = None if template is None else end_of_turn(tokenizer, template)
    others = [each for each in (end_turn, *tokenizer.end_ids) if each not in (None, tokenizer.end_id)]
    ids = {
        "bos": tokenizer.begin_id,
        "eos": tokenizer.end_id,
        "eot": others[0] if others else None,
        "eom": next((each for each in others if each != others[0]), None),
        "unknown": next(map(tokenizer.token_id, tokenizer.role_tokens(["unk_token"])), tokenizer.unknown_id),
        "padding": tokenizer.pad_id,
    }
    facts: Facts = {f"tokenizer.ggml.{role}_token_id": number for role, number in ids.items() if number is not None}
    bare, whole = tokenizer.encode("a", whole=False), tokenizer.encode("a")
    around = [
        (before, behind)
        for before, behind in itertools.product((False, True), repeat=2)
        if whole == [ids["bos"]] * before + bare + [ids["eos"]] * behind
    ]
    if not around:
        raise _refusal("it puts other special tokens around a text than one that begins it and one that ends it")
    facts |= dict(zip(("tokenizer.ggml.add_bos_token", "tokenizer.ggml.add_eos_token"), around[0], strict=True))
    source = tokenizer.config.get("chat_template")
    return facts | ({"tokenizer.chat_template": source} if template is not None else {})
