"""Text as the eye takes it: without accents and capitals, with look-alike letters of other scripts as Latin ones."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from groundup.text.privacy.plain import UNSEEN

LATIN_OF = dict(
    zip(
        "авекмнорстухіјѕԁһԛԝүғαβεηικνορτυχγıłøđħŧɑɡɩᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ",
        "abekmhopctyxijsdhqwyfabenikvoptuxyilodhtagiabcdefghijklmnoprstuvwyz",
        strict=True,
    )
)
"""Small letters of Cyrillic, Greek and phonetic script that look like Latin ones, after those of Unicode's confusables (UTS 39)."""
_UNSEEN = re.compile(f"[{UNSEEN}]")


@lru_cache(maxsize=4096)
def seen_as(character: str) -> str:
    """What a character looks like: mostly one letter; none for accents and for what can't be seen; more for ligatures (UAX 15, NFKD)."""
    parts = unicodedata.normalize("NFKD", character.casefold())
    return "".join(
        LATIN_OF.get(part, part)
        for part in parts.casefold()
        if not unicodedata.category(part).startswith("M") and not _UNSEEN.match(part)
    )


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
