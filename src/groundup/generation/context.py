"""Which of a text's tokens the next one is chosen from, once the text has outgrown the context."""

from __future__ import annotations


def context_start(place: int, max_seq_len: int, slide: int) -> int:
    """The first token that the token at `place` is chosen from; the last is the one before it. Both count from 0.

    0 up to place = max_seq_len; from there on it jumps ahead by `slide` whenever the context would be longer than
    max_seq_len. With slide = 1 it is place - max_seq_len: the context is cropped to its last tokens at each step.
    """
    return max(0, -(-(place - max_seq_len) // slide) * slide)


def default_slide(max_seq_len: int) -> int:
    """A quarter of the context: what is read anew, in one pass, comes to about three tokens per new token."""
    return max(1, max_seq_len // 4)
