"""`Tokenizer`: text to ids and back, kept as Hugging Face's tokenizer.json and tokenizer_config.json."""

from __future__ import annotations

import functools
import hashlib
import json
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tokenizers
from numpy.typing import NDArray

from groundup.errors import TokenizerError
from groundup.files import naming, replacing
from groundup.tokens.byte_pair_engine import BytePairEngine, cut
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.code_points import CodePointTable
from groundup.tokens.spelling import Spelling

TOKENIZER_FILE = "tokenizer.json"
CONFIG_FILE = "tokenizer_config.json"
TEMPLATE_FILE = "chat_template.jinja"
CONFIG_KEYS = {"end": "eos_token", "pad": "pad_token", "unknown": "unk_token"}
MODEL_CONFIG_FILES = ("generation_config.json", "config.json")  # the first that names an end token counts
OTHER_ENDS = "other_end_tokens"  # our own key of tokenizer_config.json
PIECE_CHARACTERS = 2**20
LONG_TEXT = 2**16  # characters: from here on an engine of our own is worth its preparation
FIRST_PIECE_CHARACTERS = 1000  # enough for the longest token that any tokenizer will have
OTHER_FORMATS = ("tokenizer.model", "vocab.json", "vocab.txt", "tekken.json", "spiece.model")


class Tokenizer:
    """Text to ids and back.

    User text never becomes a special token: the characters `<|endoftext|>` in a text are encoded as the characters
    they are.
    """

    def __init__(self, tokenizer_json: bytes, config: Mapping[str, Any], special_ids: Mapping[str, int | None]) -> None:
        """From a tokenizer.json's bytes, a tokenizer_config.json's values, and the ids of the tokens `end`, `pad` and
        `unknown`.

        The bytes are kept as they are, so that a tokenizer that is loaded and saved keeps its hash.
        """
        try:
            description = json.loads(tokenizer_json)
            self._tokenizer = tokenizers.Tokenizer.from_str(tokenizer_json.decode("utf-8"))
            self._table = CodePointTable.of(description)
        except MemoryError:  # says nothing about the file
            raise
        except Exception as error:  # the library raises bare Exception, json and ours ValueError or KeyError
            raise TokenizerError(f"{TOKENIZER_FILE} is not a tokenizer ({error}): save it again") from error
        self._tokenizer.encode_special_tokens = True
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        if getattr(self._tokenizer.model, "dropout", None):
            self._tokenizer.model.dropout = None  # merges left out by chance: a text would have other ids each time
        self._spelling = threading.Lock()  # whether special tokens are meant is a switch of the one tokenizer
        self._json = tokenizer_json
        self._config = dict(config)
        self.vocab_size: int = max(self._tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
        """The number of ids: one more than the highest."""
        self.end_id: int | None = special_ids.get("end")
        """The id that ends a document."""
        self.pad_id: int | None = special_ids.get("pad")
        self.unknown_id: int | None = special_ids.get("unknown") if self._has_unknowns() else None
        """The id of a character that the tokenizer doesn't have; None where it has all, whatever token its configuration names."""

    def _has_unknowns(self) -> bool:
        """Whether a text may become the unknown token: not by byte pairs that know none."""
        model = self._tokenizer.model
        return not isinstance(model, tokenizers.models.BPE) or model.unk_token is not None

    @property
    def sha256(self) -> str:
        """Of the bytes that `save` writes to tokenizer.json."""
        return hashlib.sha256(self._json).hexdigest()

    def description(self) -> dict[str, Any]:
        """What its tokenizer.json says."""
        described: dict[str, Any] = json.loads(self._json)
        return described

    @property
    def config(self) -> Mapping[str, Any]:
        """The values of its tokenizer_config.json."""
        return self._config

    @property
    def end_ids(self) -> tuple[int, ...]:
        """Every id at which a text that is being written ends: `end_id`, and those beside it, as the end of a turn in Llama 3 Instruct."""
        others = (self.token_id(token) for token in self._config.get(OTHER_ENDS, ()))
        return tuple(dict.fromkeys(each for each in (self.end_id, *others) if each is not None))

    @property
    def begin_id(self) -> int | None:
        """The id that begins a document, for programs that begin with one: the tokenizer's own, else that which ended the one before."""
        token = _content(self._config.get("bos_token"))
        return self.end_id if token is None else self.token_id(token)

    @functools.cached_property
    def engine(self) -> BytePairEngine | None:
        """What long texts are encoded with, where it is sure to give the same ids as the `tokenizers` library."""
        return BytePairEngine.of(json.loads(self._json), self._library_ids)

    def encode(self, text: str, whole: bool = True) -> list[int]:
        """The ids of a text; if it isn't a `whole` one, without the special tokens that some tokenizers put around a text.

        Raises `TokenizerError` for text with a lone surrogate, which is no valid Unicode.
        """
        ids: list[int] = self.encode_array(text, whole).tolist()
        return ids

    def encode_batch(self, texts: Sequence[str]) -> list[list[int]]:
        """The ids of each text."""
        return [self.encode(text) for text in texts]

    def encode_array(self, text: str, whole: bool = True) -> NDArray[np.int32]:
        """What `encode` gives as an array: (tokens,)."""
        try:
            if self._table is not None:
                return self._table.encode(text)
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise _half_a_character(error) from None
        if len(text) >= LONG_TEXT and self.engine is not None:
            return np.concatenate([self.engine.encode(piece) for piece in cut(text)])
        return np.array(self._library_ids(text, whole), np.int32)

    def _library_ids(self, text: str, whole: bool = True) -> list[int]:
        # The quick call, which doesn't count where each token stood, is there for many texts only.
        with self._spelling:
            ids: list[int] = self._tokenizer.encode_batch_fast([text], add_special_tokens=whole)[0].ids
        return ids

    def encode_with_special_tokens(self, text: str, whole: bool = False) -> list[int]:
        """The ids of a text of ours, such as a chat template's, in which special tokens are spelled and are meant; of a `whole` one,
        with those around it that some tokenizers put there."""
        with self._spelling:  # a second tokenizer for it would take 40 MB
            self._tokenizer.encode_special_tokens = False
            try:
                ids: list[int] = self._tokenizer.encode_batch_fast([text], add_special_tokens=whole)[0].ids
            finally:
                self._tokenizer.encode_special_tokens = True
        return ids

    @property
    def chat_template(self) -> ChatTemplate | None:
        """How conversations are written for the model that it came with; None if nothing says so."""
        source = self._config.get("chat_template")
        names = {key: _content(self._config.get(key)) for key in ("bos_token", "eos_token", "unk_token", "pad_token")}
        special = {key: name for key, name in names.items() if name is not None}
        return ChatTemplate(source, special) if isinstance(source, str) and source.strip() else None

    def unknown_pieces(self, text: str) -> Iterator[str]:
        """What becomes the unknown token, piece by piece: characters of a character tokenizer, words of a word tokenizer."""
        if self.unknown_id is None:
            return
        if self._table is not None:
            unknown = {character for character in set(text) if self.encode(character) == [self.unknown_id]}
            yield from (character for character in text if character in unknown)
            return
        with self._spelling:
            encoding = self._tokenizer.encode(text)
        for token_id, (start, end) in zip(encoding.ids, encoding.offsets, strict=True):
            if token_id == self.unknown_id:
                yield text[start:end]

    def first_piece(self, text: str) -> str:
        """What the first token of a text stands for, whatever it is decoded to; a piece of a character counts as all of it."""
        if self._table is not None or not text:
            return text[:1]
        with self._spelling:
            places = self._tokenizer.encode(text[:FIRST_PIECE_CHARACTERS]).offsets
        start, end = places[0] if places else (0, 0)  # a tokenizer that strips spaces may have no token for them
        return text[start:end]

    def encode_pieces(self, text: str) -> Iterator[NDArray[np.int32]]:
        """The ids of a long text in pieces, to keep memory small; together they are `encode_array(text)`.

        A text may be cut between any two characters for a character tokenizer, and between words for byte pairs with an engine;
        another encodes it whole.
        """
        if self._table is not None:
            for start in range(0, len(text), PIECE_CHARACTERS):
                yield self.encode_array(text[start : start + PIECE_CHARACTERS])
        elif self.engine is None:
            if text:
                yield self.encode_array(text)
        else:
            try:
                text.encode("utf-8")
            except UnicodeEncodeError as error:
                raise _half_a_character(error) from None
            yield from map(self.engine.encode, cut(text))

    def decode(self, ids: Iterable[int], skip_special_tokens: bool = True) -> str:
        """The text of ids. An id past the end of the vocabulary (a padded embedding has some) stands for no text."""
        numbers = [int(number) for number in ids]
        if any(number < 0 for number in numbers):
            raise TokenizerError(f"id {min(numbers)} is negative: token ids begin at 0")
        text: str = self._tokenizer.decode(numbers, skip_special_tokens=skip_special_tokens)
        return text

    def token_bytes(self, token_id: int) -> bytes:
        """The bytes that a token stands for, which may be a part of a character; its name's for a special one, none for an id without a
        token. The bytes of a text's tokens together are those of the text, but for what a tokenizer changes before it reads."""
        token = self._tokenizer.id_to_token(token_id)
        return b"" if token is None else self._spelling_of_tokens.bytes_of(token)

    @functools.cached_property
    def _spelling_of_tokens(self) -> Spelling:
        return Spelling(json.loads(self._json))

    def token_id(self, token: str) -> int | None:
        """The id of a token, special ones too, by its name; None if there is none."""
        token_id: int | None = self._tokenizer.token_to_id(token)
        return token_id

    def token_ids(self) -> set[int]:
        """The ids that stand for a token, special ones too: all below `vocab_size` but for gaps, which some published ones have."""
        return set(self._tokenizer.get_vocab(with_added_tokens=True).values())

    def special_tokens(self) -> dict[str, int]:
        """Each special token, by its name, and its id."""
        added = self._tokenizer.get_added_tokens_decoder()
        return {token.content: number for number, token in added.items() if token.special}

    @functools.cached_property
    def special_pattern(self) -> re.Pattern[str]:
        """Finds the special tokens that a text spells, the longest where one begins as another does."""
        names = sorted(self.special_tokens(), key=len, reverse=True)
        return re.compile("|".join(map(re.escape, names)) if names else r"(?!)")

    def with_special_tokens(self, tokens: Sequence[str]) -> Tokenizer:
        """The same tokenizer with these special tokens more, at the end of its ids. No text becomes one of them."""
        more = tokenizers.Tokenizer.from_str(self._json.decode("utf-8"))
        more.add_special_tokens([tokenizers.AddedToken(token, special=True, normalized=False) for token in tokens])
        special_ids = {"end": self.end_id, "pad": self.pad_id, "unknown": self.unknown_id}
        return Tokenizer(more.to_str(pretty=True).encode("utf-8"), self._config, special_ids)

    def with_config(self, values: Mapping[str, Any]) -> Tokenizer:
        """The same tokenizer with some values of its tokenizer_config.json changed; `eos_token` and the like name its special tokens."""
        special_ids = {"end": self.end_id, "pad": self.pad_id, "unknown": self.unknown_id}
        named = {role: _content(values.get(key)) for role, key in CONFIG_KEYS.items()}
        special_ids |= {role: self.token_id(token) for role, token in named.items() if token is not None}
        return Tokenizer(self._json, {**self._config, **values}, special_ids)

    def with_post_processor(self, post_processor: tokenizers.processors.PostProcessor) -> Tokenizer:
        """The same tokenizer with other special tokens around a whole text."""
        library = tokenizers.Tokenizer.from_str(self._json.decode("utf-8"))
        library.post_processor = post_processor
        special_ids = {"end": self.end_id, "pad": self.pad_id, "unknown": self.unknown_id}
        return Tokenizer(library.to_str(pretty=True).encode("utf-8"), self._config, special_ids)

    def role_tokens(self, keys: Sequence[str]) -> list[str]:
        """The tokens that its tokenizer_config.json names under `keys`, `bos_token` and the like."""
        return [token for key in keys if (token := _content(self._config.get(key))) is not None]

    def save(self, directory: Path, max_length: int | None = None) -> None:
        """Write tokenizer.json and tokenizer_config.json into an existing directory.

        `max_length` is the context, in tokens, of the model that it is saved with.
        """
        config = dict(self._config)
        if max_length is not None:
            config["model_max_length"] = max_length
        written = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
        for name, content in ((TOKENIZER_FILE, self._json), (CONFIG_FILE, written.encode())):
            with replacing(directory / name) as file:
                file.write(content)

    @classmethod
    def load(cls, path: Path) -> Tokenizer:
        """Read a directory of ours, or any with a Hugging Face tokenizer.json, or such a file.

        Which tokens end a document, pad a batch and stand for unknown characters is read from tokenizer_config.json,
        special_tokens_map.json, or the model's generation_config.json or config.json beside it, in this order; of several end tokens
        in the last two, the others are in `end_ids`. An id that the tokenizer doesn't have is none. Raises `TokenizerError` for a
        directory without a whole tokenizer.
        """
        directory, file = (path.parent, path) if path.is_file() else (path, path / TOKENIZER_FILE)
        if not file.is_file():
            raise _missing(directory)
        with naming(file):
            tokenizer_json = file.read_bytes()
        config = _read_json(directory / CONFIG_FILE)
        if (directory / TEMPLATE_FILE).is_file():
            config["chat_template"] = _read_template(directory / TEMPLATE_FILE)
        elif isinstance(named := config.get("chat_template"), list):  # several, of which transformers takes this one
            named = [each for each in named if isinstance(each, dict) and each.get("name") == "default"]
            config["chat_template"] = named[0].get("template") if named else None
        elif isinstance(named, dict):  # the same as one object
            config["chat_template"] = named.get("default")
        # transformers 5 writes a name that 4.x doesn't know; without one, 4.x may pick a class that gives other ids.
        if config.get("tokenizer_class") in (None, "TokenizersBackend"):
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
        try:
            tokenizer = cls(tokenizer_json, config, {})
        except TokenizerError as error:
            raise TokenizerError(f"{path}: {error}") from error
        special_map = _read_json(directory / "special_tokens_map.json")
        vocab = tokenizer._tokenizer.get_vocab(with_added_tokens=True)
        unknown = getattr(tokenizer._tokenizer.model, "unk_token", None)
        for role, key in CONFIG_KEYS.items():
            token = (
                _content(config.get(key)) or _content(special_map.get(key)) or (unknown if role == "unknown" else None)
            )
            if token is not None and token not in vocab:
                raise TokenizerError(
                    f"{directory}: {key} = {token!r} is not in {TOKENIZER_FILE}: save the tokenizer again"
                )
            ids = [vocab[token]] if token is not None else _model_ids(directory, f"{key}_id", set(vocab.values()))
            if role == "unknown" and not tokenizer._has_unknowns():
                continue  # GPT-2's is its end token, which no character becomes
            setattr(tokenizer, f"{role}_id", ids[0] if ids else None)
        ends = _model_ids(directory, "eos_token_id", set(vocab.values()))
        others = dict.fromkeys(
            [*_names(config.get(OTHER_ENDS), directory), *map(tokenizer._tokenizer.id_to_token, ends)]
        )
        others = {token: None for token in others if token in vocab and vocab[token] != tokenizer.end_id}
        tokenizer._config = {**config, **({OTHER_ENDS: list(others)} if others else {})}
        return tokenizer


def _half_a_character(error: UnicodeEncodeError) -> TokenizerError:
    return TokenizerError(
        f"character {error.start:,} of the text is U+{ord(error.object[error.start]):04X}, half of a surrogate pair, "
        f"which no valid Unicode text holds: remove it, or replace it by U+FFFD"
    )


def _missing(directory: Path) -> TokenizerError:
    if not directory.is_dir():
        return TokenizerError(f"{directory} is not a folder: name one with a {TOKENIZER_FILE} in it")
    others = [name for name in OTHER_FORMATS if (directory / name).exists()]
    if others:
        return TokenizerError(
            f"{directory} holds {others[0]} but no {TOKENIZER_FILE}: "
            f"convert it with transformers, AutoTokenizer.from_pretrained(…).save_pretrained(…)"
        )
    return TokenizerError(f"{directory} holds no {TOKENIZER_FILE}: name a model directory with a tokenizer in it")


def _read_template(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise TokenizerError(f"{path} is not UTF-8 text ({error.reason}): get it again") from None


def _read_json(path: Path) -> dict[str, Any]:
    """A JSON object, empty when there is no such file."""
    if not path.is_file():
        return {}
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise TokenizerError(f"{path} is not JSON ({error}): save the tokenizer again") from error
    if not isinstance(values, dict):
        raise TokenizerError(f"{path} is not a JSON object: save the tokenizer again")
    return values


def _content(token: object) -> str | None:
    """A special token as configuration files write it: a string, or an object with its `content`."""
    content = token.get("content") if isinstance(token, dict) else token
    return content if isinstance(content, str) else None


def _model_ids(directory: Path, key: str, there: Collection[int]) -> list[int]:
    """The ids that the model's configurations in a directory name; of those that are `there`."""
    named = (_ids(_read_json(directory / name).get(key), key, directory / name) for name in MODEL_CONFIG_FILES)
    return next((found for ids in named if (found := [each for each in ids if each in there])), [])


def _ids(value: object, key: str, path: Path) -> list[int]:
    """A model configuration's token ids: a number, a list of them, or nothing."""
    ids: list[Any] = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(each, int) and not isinstance(each, bool) for each in ids):
        raise TokenizerError(
            f"{path}: {key} = {str(value)[:80]!r} should be a token's number, a list of such, or null; correct the file, or get it again"
        )
    return ids


def _names(value: object, directory: Path) -> list[str]:
    """The names under `OTHER_ENDS`."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise TokenizerError(
            f"{directory / CONFIG_FILE}: {OTHER_ENDS} = {value!r} should be a list of tokens; correct it"
        )
    return value
