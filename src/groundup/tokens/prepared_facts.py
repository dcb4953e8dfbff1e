"""What is to be known of prepared data: counts, hashes, names, and what its tokenizer doesn't know."""

from __future__ import annotations

import hashlib
import itertools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from groundup.text.catalogue import CATALOGUE
from groundup.text.decode import BYTE_ORDER_MARK_REPAIR, LINE_ENDING_REPAIR
from groundup.text.document import Document
from groundup.text.document_store import DocumentStore
from groundup.text.selection import Selection
from groundup.text.settings import DataSettings
from groundup.text.sources import Say
from groundup.text.splits import Split
from groundup.tokens.groups import tokens_by_group
from groundup.tokens.settings import TokenizerSettings
from groundup.tokens.store import TokenStore
from groundup.tokens.tokenizer import Tokenizer

UNKNOWN_SHOWN = 10
UNKNOWN_KEPT = 1000
DOCUMENTS_NAMED = 1000
TOGETHER = 2**16
REPAIRS = (BYTE_ORDER_MARK_REPAIR, LINE_ENDING_REPAIR)


def describe_data(
    store: DocumentStore,
    split: Split,
    stores: Mapping[str, TokenStore],
    tokenizer: Tokenizer,
    data: DataSettings,
    settings: TokenizerSettings,
    groups: list[str],
    selection: Selection,
) -> dict[str, Any]:
    """What was prepared from what, in numbers and hashes, as JSON values. `stores`: train and validation; `groups`: their names."""
    named = split.validation_documents(store) if split.kind == "documents" else iter(())
    changed = store.facts["tally"]["changed"]
    facts = {
        "sources": [_source_facts(place, name, store) for place, name in enumerate(store.facts["sources"])],
        "steps": _step_facts(store, selection),
        "documents": {"train": int(split.train.sum()), "validation": int(split.validation.sum())},
        "bytes": {name: store.num_bytes for name, store in stores.items()},
        "characters": split.characters(store.index),
        "tokens": {name: len(store.ids) for name, store in stores.items()},
        "unknown_tokens": {name: store.num_unknown for name, store in stores.items()},
        "unknown_pieces": _unknown_pieces(split.validation_documents(store), tokenizer),
        "split": split.kind,
        "validation_fraction": data.validation_fraction,
        "tokenizer": {**settings.used(), "vocab_size": tokenizer.vocab_size},
        "encoding": _encoding_facts(tokenizer),
        "validation_documents": [document.id for document in itertools.islice(named, DOCUMENTS_NAMED)],
        "repairs": {repair: changed[repair] for repair in REPAIRS if repair in changed},
        "groups": {"by": data.mix_by, **{name: tokens_by_group(store, groups) for name, store in stores.items()}},
    }
    if data.fim_rate:
        rates = {"rate": data.fim_rate, "suffix_first_rate": data.fim_suffix_first_rate}
        facts["fill_in_the_middle"] = {**rates, "pieces": stores["train"].num_turned}
    if data.canaries.count:  # not their secrets, nor what these follow from
        planted = data.canaries
        facts["canaries"] = {"count": planted.count, "copies": list(planted.copies), "planted": planted.num_planted}
    return facts


def _step_facts(store: DocumentStore, selection: Selection) -> dict[str, Any]:
    """How many documents were read, and how many of them were dropped or changed, by the reason; repairs are told by themselves."""
    tally = store.facts["tally"]
    copies = {reason: int(documents.sum()) for reason, documents in selection.dropped.items() if documents.any()}
    return {
        "read": tally.get("documents", len(store.index)),
        "dropped": {**tally.get("dropped", {}), **copies},
        "changed": {what: count for what, count in tally["changed"].items() if what not in REPAIRS},
        "personal_data": tally.get("personal_data", {}),
    }


def describe_steps(facts: Mapping[str, Any]) -> list[str]:
    """What is to be said of documents that were dropped or changed, a line each."""
    steps, noun, lines = facts["steps"], "rows" if "labels" in facts else "documents", []
    for done in ("dropped", "changed"):
        if steps[done]:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in steps[done].items())
            total = f"{sum(steps[done].values()):,} " if done == "dropped" else ""  # one may change in several ways
            lines.append(f"{total}of {steps['read']:,} {noun} {done}: {reasons}")
    if "canaries" in facts:
        planted = facts["canaries"]
        copies = ", ".join(map(str, planted["copies"]))
        lines.append(
            f"{planted['planted']:,} lines planted as canaries: {planted['count']:,} secrets each for {copies} copies; "
            "groundup audit measures whether they are learned"
        )
    return lines


def _encoding_facts(tokenizer: Tokenizer) -> dict[str, Any]:
    """Whether the quick engine encoded the text, and on how many samples its ids were held against the library's."""
    engine = tokenizer.engine
    return {"samples_compared": engine.samples, "mismatch": engine.mismatch} if engine else {}


def _source_facts(place: int, name: str, store: DocumentStore) -> dict[str, Any]:
    known = store.facts["sources"][name]
    mine = np.flatnonzero(store.index["source"] == place)
    facts = {
        "name": name,
        "origin": known["origin"] or name,
        "license": ", ".join(known["licenses"]) or "unknown",
        "bytes": int(store.index["num_bytes"][mine].sum()),
        "sha256": _hash_of_texts(store.digests, mine),
        "documents": len(mine),
    }
    if known["origin"] and CATALOGUE[name].sha256:
        facts["archive_sha256"] = CATALOGUE[name].sha256
    return facts


def _hash_of_texts(digests: NDArray[np.uint8], places: NDArray[np.int64]) -> str:
    """Of one text its hash, of several the hash of their hashes, one a line; some at a time, for they may be many millions."""
    if len(places) == 1:
        return bytes(digests[places[0]]).hex()
    whole, separator = hashlib.sha256(), ""
    for start in range(0, len(places), TOGETHER):
        for digest in digests[places[start : start + TOGETHER]]:
            whole.update((separator + digest.tobytes().hex()).encode())
            separator = "\n"
    return whole.hexdigest()


def _unknown_pieces(validation: Iterable[Document], tokenizer: Tokenizer) -> dict[str, int]:
    """How often each character or word that becomes the unknown token occurs: of the most frequent, these first."""
    counts = Counter(piece for document in validation for piece in tokenizer.unknown_pieces(document.text))
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:UNKNOWN_KEPT])


def say_unknown(facts: Mapping[str, Any], settings: TokenizerSettings, say: Say) -> None:
    """Warn of what the validation text has and the tokenizer hasn't."""
    if facts["encoding"].get("mismatch"):
        say(
            f"warning: tiktoken and tokenizers cut {facts['encoding']['mismatch']!r} differently: from this text on the ids are "
            f"those of tokenizers, which is slower"
        )
    counts: Mapping[str, int] = facts["unknown_pieces"]
    if not counts:
        return
    total, tokens = facts["unknown_tokens"]["validation"], facts["tokens"]["validation"]
    shown = ", ".join([_describe(piece) for piece in list(counts)[:UNKNOWN_SHOWN]])
    more = f" and {len(counts) - UNKNOWN_SHOWN:,} more" if len(counts) > UNKNOWN_SHOWN else ""
    if settings.kind == "character":
        say(
            f"warning: {total:,} character{'s' if total != 1 else ''} of the validation text never occur in the training "
            f"text and become <|unk|>: {shown}{more}; tokenizer.byte_fallback = true would keep them"
        )
    elif settings.kind == "existing":
        say(
            f"warning: {total:,} of the validation text's {tokens:,} tokens are unknown to the tokenizer at {settings.path}: "
            f"{shown}{more}; another tokenizer, of bytes, would keep them"
        )
    else:
        say(
            f"warning: {total:,} of the validation text's {tokens:,} words and signs are not in the tokenizer's vocabulary and become "
            f"<|unk|>: {shown}{more}. Nobody has to spell these, so loss and bits per byte look better than they are: raise "
            "tokenizer.vocab_size, lower tokenizer.min_frequency, or use tokenizer.kind = bpe, which has no unknowns"
        )


def _describe(piece: str) -> str:
    return f"U+{ord(piece):04X} {unicodedata.name(piece, 'unnamed')}" if len(piece) == 1 else repr(piece)
