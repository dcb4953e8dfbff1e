"""A language that we know everything about: the gossip of a village, one loan a line.

    Mia lent Ben a kite. Ben thanked Mia.

Three choices make a line: who lends, who borrows, and what. The second sentence follows from the first, so a good model
of this language has to remember who did what.
"""

from __future__ import annotations

import math
import random
import re

PEOPLE = ("Ada", "Ben", "Eva", "Ian", "Leo", "Mia", "Tom", "Zoe")
THINGS = ("bell", "book", "drum", "kite", "lamp", "rope", "sofa", "vase")
END = "<end>"  # stands before and after each line

LINES = [
    f"{lender} lent {borrower} a {thing}. {borrower} thanked {lender}."
    for lender in PEOPLE
    for borrower in PEOPLE
    for thing in THINGS
    if lender != borrower
]
random.Random(0).shuffle(LINES)
TRAINING_LINES, HELD_OUT_LINES = LINES[:400], LINES[400:]


def split_words(text: str) -> list[str]:
    """The text's words and full stops: its tokens."""
    return re.findall(r"\w+|\.", text)


TOKENS = [END, *sorted(set(split_words(" ".join(LINES))))]  # the vocabulary
TOKENS_A_LINE = len(split_words(LINES[0])) + 1  # the end counts: it has to be predicted, too

# All lines are equally likely. Nobody can predict better than this, a token (in nats, the unit of chapter 3).
FLOOR = math.log(len(LINES)) / TOKENS_A_LINE

if __name__ == "__main__":
    print("\n".join(LINES))
