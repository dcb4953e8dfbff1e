"""A pile of text that we know everything about: a year of the village's notice board, and what is wrong with real text.

Each notice says what was put into it on purpose, so that every step of cleaning can be scored: how much did it find?
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass

PEOPLE = {"Ada": "she", "Ben": "he", "Eva": "she", "Ian": "he", "Leo": "he", "Mia": "she", "Tom": "he", "Zoe": "she"}
USUAL = {"smith": "he", "miller": "he", "nurse": "she", "baker": "she"}  # nine times of ten; not the tenth
THINGS = ("bell", "book", "drum", "kite", "lamp", "rope", "sofa", "vase")
DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
REMARKS = (
    "The {trade} says that {they} will be away on {day}.",
    "{name} asks who has seen a {thing} of {number} pounds.",
    "There will be soup for {number} people in the hall on {day}.",
    "It rained for {number} hours, and the path to the mill is closed.",
    "{name} and {other} will sing at the well on {day}.",
    "Whoever finds a {thing} near the bridge may keep it.",
    "{name} will show {number} children how to mend a {thing}.",
    "The price of a {thing} has gone up by {number} pence.",
    "On {day} {name} bakes bread for everybody who brings flour.",
)
QUESTION = (
    "There is soup for 12 people in the hall, and nine of them bring a friend: how many bowls of soup are missing?"
)
PRIVATE = (
    "Write to ada.miller@post.example about it.",
    "Call Ben on +44 20 7946 0123 about it.",
    "Eva pays by card, 4111 1111 1111 1111, as always.",
    "Send the rent to GB82 WEST 1234 5698 7654 32 please.",
)
MENU = "Home | News | Market | Contact\nRead more\nRead more\nRead more\n© The Village"
GERMAN = "Mia hat Ben einen Drachen geliehen. Er bringt ihn am Abend zurück, und dann essen alle zusammen eine Suppe."


@dataclass(frozen=True)
class Notice:
    """One document of the pile."""

    id: str
    text: str
    planted: str = ""  # what is wrong with it, empty for nothing


def write_notice(chance: random.Random) -> str:
    """A loan, and five things that happened."""
    lender, borrower, name, other = chance.sample(sorted(PEOPLE), 4)
    sentences = [f"{lender} lent {borrower} a {chance.choice(THINGS)}, and {PEOPLE[borrower]} thanked {lender}."]
    for remark in chance.sample(REMARKS, 5):
        trade, usual = chance.choice(sorted(USUAL.items()))
        they = usual if chance.random() < 0.9 else {"he": "she", "she": "he"}[usual]
        values = {"thing": chance.choice(THINGS), "day": chance.choice(DAYS), "number": chance.randint(2, 40)}
        sentences.append(remark.format(trade=trade, they=they, name=name, other=other, **values))
    return " ".join(sentences)


def damage(text: str) -> str:
    """UTF-8, read as if it were Windows-1252."""
    return text.encode("utf-8").decode("cp1252")


def make_pile() -> list[Notice]:
    """The year's 365 notices, and what else hangs on the board."""
    chance = random.Random(0)
    year = [write_notice(chance) for _ in range(365)]
    pile = [Notice(f"day-{day}", text) for day, text in enumerate(year, start=1)]
    pile += [Notice(f"copy-{i}", text, "a copy") for i, text in enumerate(year[:12])]
    pile += [Notice(f"near-{i}", f"Once more: {text}", "a near-copy") for i, text in enumerate(year[12:30])]
    mojibake = [damage(f"{text} It’s at Zoë’s café.") for text in (write_notice(chance) for _ in range(6))]
    pile += [Notice(f"broken-{i}", text, "mojibake") for i, text in enumerate(mojibake)]
    letters = [f"{write_notice(chance)} {private}" for private in PRIVATE for _ in range(2)]
    pile += [Notice(f"letter-{i}", text, "personal data") for i, text in enumerate(letters)]
    pile += [Notice(f"menu-{i}", MENU.replace("Market", place), "a menu") for i, place in enumerate(THINGS[:5])]
    pile += [Notice("quiz", f"{write_notice(chance)} {QUESTION} Nine, says Ian.", "a test question")]
    return [*pile, Notice("brief", GERMAN, "another language")]


if __name__ == "__main__":
    for notice in make_pile():
        print(json.dumps({"id": notice.id, "text": notice.text}, ensure_ascii=False))
