"""SentencePiece's *.model files (Kudo and Richardson 2018): unigram and BPE models, told in the words of tokenizer.json.

The file is a protocol buffer (sentencepiece_model.proto), of which a few numbered fields are needed.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import tokenizers
from tokenizers import AddedToken, Regex, decoders, models, normalizers, pre_tokenizers

from groundup.errors import TokenizerError
from groundup.tokens.special import tokenizer_config
from groundup.tokens.tokenizer import Tokenizer

SPACE = "▁"
UNIGRAM, BPE = 1, 2


class Kind(IntEnum):
    """What a piece is."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class SentencePieceModel:
    """What a file says, with the format's defaults for what it doesn't."""

    pieces: list[tuple[str, float, Kind]]
    """Text, score (log probability, or minus the merge's rank) and kind; the place in the list is the id."""
    model_type: int
    byte_fallback: bool
    space_at_the_end: bool
    special_ids: dict[str, int]
    """Of the tokens `unk`, `bos`, `eos` and `pad`, as far as there are any."""
    character_map: bytes
    """What characters become before anything else, as a compiled trie; empty for nothing."""
    space_before: bool
    one_space_only: bool

    @property
    def plain_text(self) -> bool:
        """Whether text is cut as it is, but for how spaces are written. Only then does `tokenizers` find user-defined pieces where
        SentencePiece does; else it would change what lies between two of them by itself."""
        return not (self.character_map or self.space_before or self.one_space_only)


def read_sentencepiece_file(path: Path) -> Tokenizer:
    """A tokenizer that gives the ids of a SentencePiece model. Raises `TokenizerError` for what tokenizer.json can't say."""
    try:
        model = parse(path.read_bytes())
    except (ValueError, IndexError, KeyError, TypeError, struct.error) as error:
        raise TokenizerError(
            f"{path} is not a SentencePiece model: name a *.model file that SentencePiece wrote"
        ) from error
    return tokenizer_of(model, str(path))


def tokenizer_of(model: SentencePieceModel, name: str) -> Tokenizer:
    """A tokenizer that gives the model's ids; `name` is what an error calls it. Raises `TokenizerError` as above."""
    kinds = {kind for _, _, kind in model.pieces}
    user_defined = [text for text, _, kind in model.pieces if kind == Kind.USER_DEFINED]
    for wrong, what in (
        (model.model_type not in (UNIGRAM, BPE), "is neither of type unigram nor bpe"),
        (model.space_at_the_end, "writes spaces at the end of words"),
        (Kind.UNUSED in kinds, "has unused pieces"),
        (bool(user_defined) and model.model_type == UNIGRAM, "is of type unigram and has user-defined pieces"),
        (bool(user_defined) and not model.plain_text, "has user-defined pieces and changes spaces or characters"),
    ):
        if wrong:
            raise TokenizerError(
                f"{name} {what}, which can't be told in a tokenizer.json with equal ids: use another model"
            )
    tokenizer = tokenizers.Tokenizer(_unigram(model) if model.model_type == UNIGRAM else _byte_pairs(model))
    tokenizer.normalizer = _normalizer(model)
    if model.model_type == UNIGRAM:
        tokenizer.pre_tokenizer = _no_special_tokens(model)
    space = [decoders.Strip(" ", 1, 0)] if model.space_before else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), *space]
    )
    special = [text for text, _, kind in model.pieces if kind in (Kind.UNKNOWN, Kind.CONTROL)]
    tokenizer.add_special_tokens([AddedToken(text, special=True, normalized=False) for text in special])
    tokenizer.add_tokens([AddedToken(text, special=False, normalized=True) for text in user_defined])
    ids = {name: number for name, number in model.special_ids.items() if 0 <= number < len(model.pieces)}
    config = tokenizer_config({f"{name}_token": model.pieces[number][0] for name, number in ids.items()})
    roles = {"end": ids.get("eos"), "pad": ids.get("pad"), "unknown": ids.get("unk")}
    return Tokenizer(tokenizer.to_str(pretty=True).encode("utf-8"), config, roles)


def _unigram(model: SentencePieceModel) -> models.Model:
    vocab = [(text, score) for text, score, _ in model.pieces]
    return models.Unigram(vocab, model.special_ids["unk"], model.byte_fallback)


def _byte_pairs(model: SentencePieceModel) -> models.Model:
    """SentencePiece joins whatever neighbours make a piece, the one with the highest score first: every pair is a merge."""
    vocab = {text: number for number, (text, _, _) in enumerate(model.pieces)}
    joined = sorted((-score, text) for text, score, kind in model.pieces if kind == Kind.NORMAL and len(text) > 1)
    ordinary = {text for text, _, kind in model.pieces if kind == Kind.NORMAL}
    merges = [
        (text[:place], text[place:])
        for _, text in joined
        for place in range(1, len(text))
        if text[:place] in ordinary and text[place:] in ordinary
    ]
    unknown = model.pieces[model.special_ids["unk"]][0]
    return models.BPE(vocab=vocab, merges=merges, unk_token=unknown, fuse_unk=True, byte_fallback=model.byte_fallback)


def _normalizer(model: SentencePieceModel) -> normalizers.Normalizer:
    """What a model does to characters and spaces. The one thing that comes out otherwise: the `tokenizers` library looks
    characters up together with their combining marks, so a mark after a character that is mapped may be lost ("ﬁ" with an
    accent), and Korean letters written apart stay apart.
    """
    steps: list[normalizers.Normalizer] = []
    if model.character_map:
        mapped = normalizers.Precompiled(model.character_map)
        # The library takes "\r\n" for one character, and would map it to one space in place of two.
        steps += [normalizers.Replace(Regex(r"\r(?=\n)"), mapped.normalize_str("\r")), mapped]
    if model.one_space_only:
        steps.append(normalizers.Replace(Regex(rf"\A +|[ {SPACE}]+\z"), ""))
        steps.append(normalizers.Replace(Regex(" {2,}"), " "))
    if model.space_before:
        steps.append(normalizers.Prepend(SPACE))
    return normalizers.Sequence([*steps, normalizers.Replace(" ", SPACE)])


def _no_special_tokens(model: SentencePieceModel) -> pre_tokenizers.PreTokenizer:
    """A cut within what is spelled as a special token or a byte: a unigram model would take it for one."""
    known = {text for text, _, kind in model.pieces if kind == Kind.NORMAL}
    with_pair: dict[str, list[str]] = {}
    for piece in known:
        for pair in {piece[place : place + 2] for place in range(len(piece) - 1)}:
            with_pair.setdefault(pair, []).append(piece)

    def place_of(text: str) -> int:
        """Where to cut: where no piece reaches over, and not between two unknown characters, which would become one token."""
        for place in range(1, len(text)):
            left, right = text[place - 1], text[place]
            over = any(_reaches_over(piece, text, place) for piece in with_pair.get(left + right, []))
            if not over and (model.byte_fallback or left in known or right in known):
                return place
        return 1

    special = [text for text, _, kind in model.pieces if kind != Kind.NORMAL and len(text) > 1]
    places = [(text, place_of(text)) for text in special]
    borders = "|".join(f"{re.escape(text[:place])}(?={re.escape(text[place:])})" for text, place in places)
    return pre_tokenizers.Split(Regex(borders), "merged_with_previous")


def _reaches_over(piece: str, text: str, place: int) -> bool:
    """Whether a piece may lie over a place of a text, and over what stands before or behind the text, whatever that is."""
    for begin in range(place - len(piece) + 1, place):
        first, last = max(0, begin), min(len(text), begin + len(piece))
        if piece[first - begin : last - begin] == text[first:last]:
            return True
    return False


def parse(content: bytes) -> SentencePieceModel:
    """The fields that matter. Raises `ValueError` or `IndexError` for anything that isn't such a file."""
    pieces: list[tuple[str, float, Kind]] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for field, value in _fields(content):
        if not isinstance(value, bytes):
            continue
        if field == 1:
            piece = dict(_fields(value))
            text, score = bytes(piece[1]).decode(), struct.unpack("<f", bytes(piece.get(2, bytes(4))))[0]
            pieces.append((text, score, Kind(int(piece.get(3, Kind.NORMAL)))))
        elif field == 2:
            trainer = dict(_fields(value))
        elif field == 3:
            normalizer = dict(_fields(value))
    if not pieces or not trainer:
        raise ValueError("no pieces")
    places = {"unk": (40, 0), "bos": (41, 1), "eos": (42, 2), "pad": (43, -1)}
    character_map = normalizer.get(2, b"")
    return SentencePieceModel(
        pieces=pieces,
        model_type=int(trainer.get(3, UNIGRAM)),
        byte_fallback=bool(trainer.get(35, 0)),
        space_at_the_end=bool(trainer.get(24, 0)),
        special_ids={
            name: number for name, place in places.items() if (number := _signed(trainer.get(place[0], place[1]))) >= 0
        },
        character_map=character_map if isinstance(character_map, bytes) else b"",
        space_before=bool(normalizer.get(3, 1)),
        one_space_only=bool(normalizer.get(4, 1)),
    )


def _signed(value: int | bytes) -> int:
    """A negative number is written as its two's complement of 64 bits."""
    number = int(value)
    return number - 2**64 if number >= 2**63 else number


def _fields(content: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field of a protocol buffer's message: its number, and an integer or its bytes."""
    place = 0

    def number() -> int:
        nonlocal place
        value, shift = 0, 0
        while True:
            byte = content[place]
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while place < len(content):
        key = number()
        kind = key & 7
        if kind == 0:
            yield key >> 3, number()
            continue
        length = {1: 8, 5: 4}.get(kind) or (number() if kind == 2 else -1)
        if not 0 <= length <= len(content) - place:
            raise ValueError("a field that reaches past the end")
        yield key >> 3, content[place : place + length]
        place += length
