"""Bytes of a file as text: UTF-8, or a sentence that says what they are instead, where, and how to convert them."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import BinaryIO

from groundup.errors import DataError

BYTE_ORDER_MARK_REPAIR = "byte order marks removed"
LINE_ENDING_REPAIR = "line endings normalized"
WHOLE_BYTES = 64 * 2**20
"""A text up to this size is one document; a larger one is read in parts, so that memory holds it."""
PART_BYTES = 16 * 2**20


def decode_text(content: bytes, name: str, first_byte: int = 0, first_line: int = 1) -> tuple[str, tuple[str, ...]]:
    """Bytes as (text, repairs): UTF-8, its byte order mark dropped, its line endings `\\n`.

    Raises `DataError` that says what the bytes are instead, where, and how to convert them. `name` is for the message, and so
    are the places where the bytes begin in their file.
    """
    repairs: tuple[str, ...] = ()
    if first_byte == 0:
        for form, marks in {"32": ("LE", "BE"), "16": ("LE", "BE")}.items():
            if content.startswith(tuple(getattr(codecs, f"BOM_UTF{form}_{mark}") for mark in marks)):
                raise DataError(
                    f"{name} is UTF-{form} text: convert it, e.g. with  iconv -f utf-{form} -t utf-8 FILE > NEW"
                )
    zero = content.find(0)
    if zero >= 0:
        raise DataError(
            f"{name} is not text: byte {first_byte + zero:,} is zero, as in programs, pictures and archives; name a text file"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + content.count(b"\n", 0, error.start)
        raise DataError(
            f"{name} is not UTF-8 text: byte {first_byte + error.start:,} (0x{content[error.start]:02x}, in line {line:,}) "
            f"does not fit; convert it, e.g. with  iconv -f latin1 -t utf-8 FILE > NEW"
        ) from None
    if text.startswith("\ufeff") and first_byte == 0:
        text = text[1:]
        repairs += (BYTE_ORDER_MARK_REPAIR,)
    if "\r\n" in text:
        text = text.replace("\r\n", "\n")
        repairs += (LINE_ENDING_REPAIR,)
    return text, repairs


def decode_parts(file: BinaryIO, name: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A file's text as (text, repairs), in one part, or in several when it is larger than `WHOLE_BYTES`.

    Parts end at a blank line where there is one near their end, else at a line's end, else between two characters. Raises
    `DataError` as `decode_text`.
    """
    content = file.read(WHOLE_BYTES + 1)
    if len(content) <= WHOLE_BYTES:
        yield decode_text(content, name)
        return
    byte, line = 0, 1
    while content:
        if len(content) <= PART_BYTES:  # one byte more than a part tells whether a character goes on
            content += file.read(PART_BYTES + 1 - len(content))
        cut = _place_to_cut(content) if len(content) > PART_BYTES else len(content)
        part, content = content[:cut], content[cut:]
        yield decode_text(part, name, byte, line)
        byte, line = byte + len(part), line + part.count(b"\n")


def _place_to_cut(content: bytes) -> int:
    """Where a part of at most `PART_BYTES` is best cut off."""
    for mark in (b"\n\n", b"\n"):
        place = content.rfind(mark, PART_BYTES // 2, PART_BYTES)
        if place >= 0:
            return place + len(mark)
    cut = PART_BYTES
    while cut > PART_BYTES - 4 and content[cut] & 0xC0 == 0x80:  # inside of a character
        cut -= 1
    return cut


def lines(file: BinaryIO, limit: int) -> Iterator[tuple[int, int, bytes | None]]:
    """Each line as (its number from 1, its first byte's place, its bytes); None for one that is longer than `limit` bytes."""
    reader = io.BufferedReader(file, 2**20) if isinstance(file, io.RawIOBase) else file
    number = byte = 0
    while line := reader.readline(limit + 1):
        number, first, byte = number + 1, byte, byte + len(line)
        if len(line) > limit and not line.endswith(b"\n"):
            while line and not line.endswith(b"\n"):
                line = reader.readline(2**20)
                byte += len(line)
            yield number, first, None
        else:
            yield number, first, line
