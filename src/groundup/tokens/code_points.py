"""Character tokenizers at the speed of a table: the same ids as the `tokenizers` library, one lookup a character.

A character tokenizer is a BPE model without merges: each character stands alone, so its id depends on nothing around
it. Walking a long text through the general machinery costs about a microsecond for each character; indexing an array
by code point, a few nanoseconds. The ids are proved equal by a test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

NUM_CODE_POINTS = 0x110000  # Unicode's, U+0000 to U+10FFFF
UNKNOWN = -1


@dataclass(frozen=True)
class CodePointTable:
    """From code points to ids."""

    ids: NDArray[np.int32]
    """(NUM_CODE_POINTS,) the id of each character, `UNKNOWN` for those without one."""
    unknown_id: int
    byte_ids: NDArray[np.int32] | None
    """(256,) the id of each byte, to spell unknown characters with; None without byte fallback."""

    @classmethod
    def of(cls, description: Mapping[str, Any]) -> CodePointTable | None:
        """The table of a parsed tokenizer.json, or None when that tokenizer is not a plain character tokenizer."""
        model = description["model"]
        plain = (
            model.get("type") == "BPE"
            and not model.get("merges")
            and not model.get("dropout")
            and not model.get("ignore_merges")
            and not model.get("fuse_unk")
            and not model.get("continuing_subword_prefix")
            and not model.get("end_of_word_suffix")
            and not any(
                description.get(step)
                for step in ["normalizer", "pre_tokenizer", "post_processor", "truncation", "padding"]
            )
            and all(token["special"] for token in description.get("added_tokens", []))
            and model.get("unk_token") in model["vocab"]
        )
        if not plain:
            return None
        vocab: dict[str, int] = model["vocab"]
        ids = np.full(NUM_CODE_POINTS, UNKNOWN, np.int32)
        for token, token_id in vocab.items():
            if len(token) == 1:
                ids[ord(token)] = token_id
        byte_ids = None
        if model.get("byte_fallback"):
            spellings = [f"<0x{byte:02X}>" for byte in range(256)]
            if not all(spelling in vocab for spelling in spellings):
                return None
            byte_ids = np.array([vocab[spelling] for spelling in spellings], np.int32)
        return cls(ids, vocab[model["unk_token"]], byte_ids)

    def encode(self, text: str) -> NDArray[np.int32]:
        """(characters,) ids; with byte fallback an unknown character takes one id for each of its UTF-8 bytes.

        Raises `UnicodeEncodeError` for a lone surrogate, which no UTF-8 text holds.
        """
        code_points = np.frombuffer(text.encode("utf-32-le"), np.uint32)
        ids = self.ids[code_points]
        unknown = ids == UNKNOWN
        if not unknown.any():
            return ids
        if self.byte_ids is None:
            ids[unknown] = self.unknown_id
            return ids
        # Make room for each unknown character's bytes, then write the bytes of all of them, in order.
        points = code_points[unknown]
        lengths = np.ones(len(ids), np.int64)
        lengths[unknown] += (points >= 0x80).astype(np.int64) + (points >= 0x800) + (points >= 0x10000)
        utf8 = np.frombuffer(points.tobytes().decode("utf-32-le").encode(), np.uint8)
        spelled = np.repeat(ids, lengths)
        spelled[np.repeat(unknown, lengths)] = self.byte_ids[utf8]
        return spelled
