"""The tokenizer that a GGUF file carries, as a tokenizer.json with the same ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import tokenizers
from tokenizers import AddedToken, decoders, models, processors

from groundup.errors import TokenizerError
from groundup.tokens.byte_pair import cut_by
from groundup.tokens.sentencepiece_file import BPE, UNIGRAM, Kind, SentencePieceModel, tokenizer_of
from groundup.tokens.settings import PreTokenizer
from groundup.tokens.special import tokenizer_config
from groundup.tokens.tokenizer import OTHER_ENDS, Tokenizer

ROLES = {"bos": "bos", "eos": "eos", "unknown": "unk", "padding": "pad"}  # the file's names of special tokens, and ours

BEGINS_PRE = ("llama-bpe",)  # ways to cut whose models begin a text with a token, where the file doesn't say whether

OTHER_ENDS_KEYS = ("tokenizer.ggml.eot_token_id", "tokenizer.ggml.eom_token_id")  # the end of a turn, of a message


def read_gguf_tokenizer(facts: Mapping[str, Any]) -> Tokenizer:
    """The tokenizer of a GGUF file's settings: byte pairs (`gpt2`), SentencePiece's BPE (`llama`), or its unigram model (`t5`).

    It puts the token that begins a text before each, where `tokenizer.ggml.add_bos_token` says so or, as in llama.cpp, where
    nothing does and the kind of tokenizer has always done it: SentencePiece's, Llama 3's.

    Raises `TokenizerError` for another kind, and for one that doesn't hold together.
    """
    kind = facts.get("tokenizer.ggml.model")
    pieces, kinds = facts.get("tokenizer.ggml.tokens"), facts.get("tokenizer.ggml.token_type")
    if not isinstance(pieces, list) or not isinstance(kinds, list) or len(pieces) != len(kinds) or not pieces:
        raise TokenizerError("the file has no tokenizer.ggml.tokens with their token_type: get another one")
    try:
        marked = list(zip(map(str, pieces), map(Kind, kinds), strict=True))
    except ValueError as error:
        raise TokenizerError(
            f"tokenizer.ggml.token_type holds what is no kind of token ({error}): get the file again"
        ) from None
    ids: dict[str, int] = {
        ours: facts[f"tokenizer.ggml.{theirs}_token_id"]
        for theirs, ours in ROLES.items()
        if _is_place(facts.get(f"tokenizer.ggml.{theirs}_token_id"), pieces)
    }
    if kind == "gpt2":
        tokenizer = _byte_pairs(facts, marked, ids)
    elif kind == "llama":
        tokenizer = _sentencepiece(facts, marked, ids, BPE)
    elif kind == "t5" and not facts.get("tokenizer.ggml.precompiled_charsmap"):
        tokenizer = _sentencepiece(facts, marked, ids, UNIGRAM)
    else:
        raise TokenizerError(
            f"tokenizer.ggml.model = {kind!r} is not supported: gpt2, llama, and t5 without a map of characters are"
        )
    if facts.get("tokenizer.ggml.add_bos_token", kind == "llama" or facts.get("tokenizer.ggml.pre") in BEGINS_PRE):
        tokenizer = _beginning(tokenizer)
    template = facts.get("tokenizer.chat_template")
    more: dict[str, Any] = {"chat_template": template} if isinstance(template, str) else {}
    others = [str(pieces[facts[key]]) for key in OTHER_ENDS_KEYS if _is_place(facts.get(key), pieces)]
    if others:
        more[OTHER_ENDS] = others
    return tokenizer.with_config(more) if more else tokenizer


def _beginning(tokenizer: Tokenizer) -> Tokenizer:
    """The same tokenizer, with the token that begins a text before each whole one, if it has such a token."""
    begin = next(iter(tokenizer.role_tokens(["bos_token"])), None)
    if begin is None:
        return tokenizer
    first = (begin, tokenizer.begin_id)
    return tokenizer.with_post_processor(
        processors.TemplateProcessing(
            single=[begin, "$A"], pair=[begin, "$A", f"{begin}:1", "$B:1"], special_tokens=[first]
        )
    )


def _is_place(number: object, pieces: list[Any]) -> bool:
    return isinstance(number, int) and not isinstance(number, bool) and 0 <= number < len(pieces)


def _byte_pairs(facts: Mapping[str, Any], marked: list[tuple[str, Kind]], ids: Mapping[str, int]) -> Tokenizer:
    name, merges = facts.get("tokenizer.ggml.pre"), facts.get("tokenizer.ggml.merges")
    if name not in get_args(PreTokenizer):
        known = ", ".join(get_args(PreTokenizer))
        raise TokenizerError(
            f"tokenizer.ggml.pre = {name!r} cuts text in a way that we don't know: supported are {known}"
        )
    try:
        pairs = [(left, right) for left, right in (str(merge).split(" ") for merge in merges or [])]
        vocab = {piece: number for number, (piece, _) in enumerate(marked)}
        model = models.BPE(vocab=vocab, merges=pairs, ignore_merges=name == "llama-bpe")
    except MemoryError:
        raise
    except Exception as error:  # the library raises bare Exception
        raise TokenizerError(
            f"tokenizer.ggml.tokens and merges don't belong together ({error}): get the file again"
        ) from None
    tokenizer = tokenizers.Tokenizer(model)
    tokenizer.pre_tokenizer = cut_by(name)  # type: ignore[arg-type]
    tokenizer.decoder = decoders.ByteLevel()
    for special, wanted in ((True, (Kind.CONTROL, Kind.UNKNOWN)), (False, (Kind.USER_DEFINED,))):
        tokenizer.add_tokens(
            [AddedToken(piece, special=special, normalized=False) for piece, kind in marked if kind in wanted]
        )
    config = tokenizer_config({f"{role}_token": marked[number][0] for role, number in ids.items()})
    roles = {"end": ids.get("eos"), "pad": ids.get("pad"), "unknown": ids.get("unk")}
    return Tokenizer(tokenizer.to_str(pretty=True).encode("utf-8"), config, roles)


def _sentencepiece(
    facts: Mapping[str, Any], marked: list[tuple[str, Kind]], ids: Mapping[str, int], model_type: int
) -> Tokenizer:
    scores = facts.get("tokenizer.ggml.scores")
    if not isinstance(scores, list) or len(scores) != len(marked):
        raise TokenizerError("the file has no tokenizer.ggml.scores for its tokens: get another one")
    if "unk" not in ids:
        raise TokenizerError("the file names no tokenizer.ggml.unknown_token_id: get another one")
    return tokenizer_of(
        SentencePieceModel(
            pieces=[(piece, float(score), kind) for (piece, kind), score in zip(marked, scores, strict=True)],
            model_type=model_type,
            byte_fallback=any(kind == Kind.BYTE for _, kind in marked),
            space_at_the_end=False,
            special_ids=dict(ids),
            character_map=b"",
            space_before=bool(facts.get("tokenizer.ggml.add_space_prefix", True)),
            one_space_only=bool(facts.get("tokenizer.ggml.remove_extra_whitespaces", False)),
        ),
        "the file's SentencePiece model",
    )
