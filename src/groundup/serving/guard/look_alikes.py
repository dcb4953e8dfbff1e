"""Text as the eye takes it: without accents and capitals, with look-alike letters of other scripts as Latin ones."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

LATIN_OF = dict(
    zip(
        "авекмнорстухіјѕԁһԛԝүғαβεηικνορτυχγıłøđħŧɑɡɩᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
        "abekmhopctyxijsdhqwyfabenikvoptuxyilodhtagiabcdefghijklmnoprstuvwyz",
        strict=True,
    )
)
"""Small letters of Cyrillic, Greek and phonetic script that look like Latin ones, after those of Unicode's confusables (UTS 39)."""
LATIN_OF |= {
    chr(white_on_black + place): chr(ord("a") + place) for white_on_black in (0x1F150, 0x1F170) for place in range(26)
}
FILLERS = "\u115f\u1160\u17b4\u17b5"  # of Hangul and Khmer: by their category letters and marks, and nothing to see
MARKS = "\u0900-\u0963\u0966-\u109f\u1780-\u17d3\u3099\u309a"
"""Where marks are as good as letters: scripts of India, Thai, Lao, Tibetan, Burmese, Khmer; the signs that make another sound of a kana."""
_MARK = re.compile(f"[{MARKS}]")


@lru_cache(maxsize=4096)
def seen_as(character: str) -> str:
    """What a character looks like: mostly one letter; none for accents and for what can't be seen; more for ligatures (UAX 15, NFKD)."""
    parts = unicodedata.normalize("NFKD", character.casefold()).casefold()
    return unicodedata.normalize("NFC", "".join(LATIN_OF.get(part, part) for part in parts if not _goes_unseen(part)))


def _goes_unseen(part: str) -> bool:
    """Whether it is an accent, or nothing that can be seen (Unicode, general category Cf)."""
    category = unicodedata.category(part)
    return part in FILLERS or category == "Cf" or (category.startswith("M") and not _MARK.match(part))


def read_as_seen(text: str) -> tuple[str, list[int]]:
    """The text as it looks, and for each of its characters the place in `text` that it comes from."""
    if text.isascii():
        return text.lower(), list(range(len(text)))
    seen: list[str] = []
    places: list[int] = []
    for place, character in enumerate(text):
        for part in seen_as(character):
            seen.append(part)
            places.append(place)
    return "".join(seen), places
