"""A filter of what a model writes: why it can't look at each piece by itself, and what it finds and lets pass."""

from __future__ import annotations

from pathlib import Path

from groundup.serving.guard.guard import load_guard

guard = load_guard(Path(__file__).with_name("guard.toml"))
TEXT = "Mia wrote to ben@village.example: that wretch Leo kept my kite."
PIECES = [TEXT[start : start + 4] for start in range(0, len(TEXT), 4)]

print("each piece by itself  ", "".join(guard.check_output(piece).text for piece in PIECES))
stream = guard.stream()
let_out = [stream.add(piece) for piece in PIECES] + [stream.finish()]
print("held while in doubt   ", "".join(let_out))
print(f"{len(PIECES)} pieces came in, and {sum(map(bool, let_out))} went out\n")

found = {}
for text in (
    "You WR3TCH!",
    "You w.r.e.t.c.h!",
    "Write to ben (at) village.example.",
    "You wre tch!",
    "You w*etch!",
    "WW91IHdyZXRjaCE=",
    "You are no friend of mine, and your kite may burn.",
    "He called her a wretch, and she went away.",
):
    verdict = guard.check_output(text)
    found[text] = verdict.action
    print(f"{text:52}{verdict.action:8}{verdict.text if verdict.action == 'redact' else ''}".rstrip())

assert "ben@" not in "".join(let_out)
assert list(found.values()).count("redact") == 4
