"""What a tokenizer makes of a text, in figures: how far a token reaches in each language and script, what is lost, what is unused."""

from __future__ import annotations

import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from groundup.errors import DataError
from groundup.tokens.tokenizer import Tokenizer

LONGEST_SHOWN = 20
# Unicode names of letters begin with their script; Japanese mixes three, and Chinese characters are Han's.
SCRIPT_NAMES = {"CJK": "Han", "HIRAGANA": "Japanese", "KATAKANA": "Japanese", "HANGUL": "Korean"}


@dataclass(frozen=True)
class Fertility:
    """How many tokens some text takes."""

    documents: int
    bytes: int
    words: int
    tokens: int
    unknown: int
    """How many tokens stand for what the tokenizer doesn't have."""
    changed: int
    """How many documents are not what `decode(encode(text))` gives."""

    @property
    def bytes_per_token(self) -> float:
        """UTF-8 bytes that a token stands for, on average: more is better for a model's context."""
        return self.bytes / max(1, self.tokens)

    @property
    def tokens_per_word(self) -> float:
        """Fertility (Rust et al. 2021, §3.2): 1 would be a token for each word, words being what stands between spaces."""
        return self.tokens / max(1, self.words)


@dataclass(frozen=True)
class TokenizerReport:
    """A tokenizer on a text."""

    vocab_size: int
    whole: Fertility
    languages: dict[str, Fertility]
    """By the language that is known of a document; the largest first."""
    scripts: dict[str, Fertility]
    """By the script that most letters of a document are in; the largest first."""
    unused: int
    """Tokens that the text never needs, the special ones not counted."""
    longest: list[str]
    """The longest tokens that the text does need, as text."""


def report_tokenizer(tokenizer: Tokenizer, texts: Iterable[str], languages: Iterable[str] = ()) -> TokenizerReport:
    """Measure a tokenizer on texts, one document each. `languages` are the texts' as far as known: empty, or fewer, for those
    that aren't. Raises `DataError` when there is nothing in the texts.
    """
    used = np.zeros(tokenizer.vocab_size, np.int64)
    whole: Counter[str] = Counter()
    by_script: dict[str, Counter[str]] = {}
    by_language: dict[str, Counter[str]] = {}
    for text, language in zip(texts, itertools.chain(languages, itertools.repeat("")), strict=False):
        ids = np.concatenate([*tokenizer.encode_pieces(text), np.array([], np.int32)])
        used += np.bincount(ids, minlength=tokenizer.vocab_size)
        unknown = 0 if tokenizer.unknown_id is None else int((ids == tokenizer.unknown_id).sum())
        figures = {
            "documents": 1,
            "bytes": len(text.encode()),
            "words": len(text.split()),
            "tokens": len(ids),
            "unknown": unknown,
            "changed": int(tokenizer.decode(ids.tolist()) != text),
        }
        whole.update(figures)
        by_script.setdefault(script_of(text), Counter()).update(figures)
        if language:
            by_language.setdefault(language, Counter()).update(figures)
    if not whole["tokens"]:
        raise DataError(
            "the text is empty, so there is nothing to measure a tokenizer on: name a text with something in it"
        )
    special = {tokenizer.end_id, tokenizer.pad_id, tokenizer.unknown_id, *tokenizer.special_tokens().values()}
    ordinary = sorted(tokenizer.token_ids() - special)
    needed = [tokenizer.decode([token_id]) for token_id in ordinary if used[token_id]]
    return TokenizerReport(
        vocab_size=tokenizer.vocab_size,
        whole=_fertility(whole),
        languages=_largest_first(by_language),
        scripts=_largest_first(by_script),
        unused=int((used[ordinary] == 0).sum()),
        longest=sorted(needed, key=lambda token: (-len(token), token))[:LONGEST_SHOWN],
    )


def _largest_first(counts: dict[str, Counter[str]]) -> dict[str, Fertility]:
    return {name: _fertility(each) for name, each in sorted(counts.items(), key=lambda item: -item[1]["bytes"])}


def _fertility(counts: Counter[str]) -> Fertility:
    return Fertility(*(counts[name] for name in ("documents", "bytes", "words", "tokens", "unknown", "changed")))


def script_of(text: str) -> str:
    """The script of most of a text's letters (of its first 100,000 characters), e.g. Latin; "none" where it has no letters."""
    scripts: Counter[str] = Counter()
    for character, times in Counter(text[:100_000]).items():
        if character.isalpha():
            first = unicodedata.name(character, "unknown").split(" ")[0]
            scripts[SCRIPT_NAMES.get(first, first.capitalize())] += times
    if scripts["Japanese"] > scripts.total() / 20:  # Han characters with a twentieth of kana are Japanese
        return "Japanese"
    return scripts.most_common(1)[0][0] if scripts else "none"
