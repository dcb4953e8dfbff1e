"""Which errors mean that the system, or a card, refused memory: for many libraries it is only words."""

from __future__ import annotations

import errno
import mmap

WORDS = (
    "can't allocate memory",
    "cannot allocate memory",
    "not enough memory",
    "out of memory",
    "can't start new thread",
    "the global thread pool has not been initialized",  # of the tokenizers package, which panics
    "could not create a primitive",  # oneDNN's, of a kernel that it can't map
    "std::bad_alloc",
    "failed to map segment",
)
A_LITTLE = 64 << 20  # bytes: who can't have them has no memory


def is_of_memory(error: BaseException | None) -> bool:
    """Whether an error came of memory that wasn't given."""
    if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
        return True
    if isinstance(error, SystemError):  # C code that failed and didn't say of what
        return not _has_room()
    text = str(error).lower()
    return any(word in text for word in WORDS)


def _has_room() -> bool:
    try:
        mmap.mmap(-1, A_LITTLE).close()
    except OSError:
        return False
    return True
