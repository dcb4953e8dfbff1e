"""Draw which tokens are read in each step of a generation, without a cache and with one, as SVG."""

from __future__ import annotations

from drawing import BLUE, FAINT, ORANGE, box, sheet, text

PROMPT, NEW, CELL, TOP, LEFT = 5, 6, 24, 62, 70
TOKENS = PROMPT + NEW - 1  # the last new token is never read
body, read = [], {}
for panel, cached in enumerate((False, True)):
    left = LEFT + panel * (CELL * TOKENS + 70)
    read[cached] = 0
    for step in range(NEW):
        known = PROMPT + step
        if panel == 0:
            body.append(text(LEFT - 10, TOP + step * CELL + 16, f"step {step + 1}", "end"))
        for token in range(known):
            is_new = not cached or step == 0 or token == known - 1
            read[cached] += is_new
            color = (BLUE if token < PROMPT else ORANGE) if is_new else FAINT
            body.append(box(left + token * CELL, TOP + step * CELL, CELL - 2, CELL - 2, color, 0.8))
    title = "with a cache" if cached else "without"
    body.append(text(left, TOP - 14, f"{title}: {read[cached]} tokens read", bold=True))
height = TOP + NEW * CELL + 40
body.append(text(LEFT, height - 14, "blue: the prompt; orange: what was written; grey: keys and values that are kept"))
print(
    sheet(
        LEFT + 2 * CELL * TOKENS + 90,
        height,
        "What is read in each step",
        "Without a cache every step reads all tokens again; with one, only the newest.",
        body,
    )
)

assert read[False] == sum(range(PROMPT, PROMPT + NEW))
assert read[True] == PROMPT + NEW - 1
