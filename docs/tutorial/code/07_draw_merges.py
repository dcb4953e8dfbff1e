"""Draw byte pairs as they are joined, merge by merge, as SVG."""

from __future__ import annotations

import itertools
from collections import Counter

from drawing import BLUE, ORANGE, box, sheet, text

from groundup.textbook.byte_pair import merge

WORDS = ["lend", "lender", "lenders", "sender", "sent"]
LETTER, ROW, TOP, LEFT, GAP = 13, 36, 40, 120, 18
pieces = sorted(set("".join(WORDS)))
words = [[pieces.index(letter) for letter in word] for word in WORDS]
body, newest, said = [], -1, "letters"
lengths = []
for step in range(6):
    y, x = TOP + step * ROW, LEFT
    body.append(text(LEFT - 16, y + 16, said, "end"))
    for word in words:
        for piece in word:
            width = LETTER * len(pieces[piece])
            color, strength = (ORANGE, 0.45) if piece == newest else (BLUE, 0.1 + 0.08 * len(pieces[piece]))
            body += [
                box(x, y, width - 2, 22, color, strength),
                text(x + width / 2 - 1, y + 16, pieces[piece], "middle"),
            ]
            x += width
        x += GAP
    lengths.append(sum(map(len, words)))
    body.append(text(x + 4, y + 16, f"{lengths[-1]} tokens"))
    counts = Counter(pair for word in words for pair in itertools.pairwise(word))
    best = min(counts, key=lambda pair: (-counts[pair], pieces[pair[0]], pieces[pair[1]]))
    said = f"{pieces[best[0]]} + {pieces[best[1]]}, {counts[best]}x"
    newest = len(pieces)
    pieces.append(pieces[best[0]] + pieces[best[1]])
    words = [merge(word, best, newest) for word in words]
print(
    sheet(
        x + 80,
        TOP + 6 * ROW + 4,
        "Byte pairs, merge by merge",
        "Each row joins the pair that is commonest in the row above; the new piece is orange.",
        body,
    )
)

assert lengths == sorted(lengths, reverse=True)
assert lengths[-1] < 0.6 * lengths[0]
