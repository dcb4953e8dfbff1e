"""A release, step by step: canaries, an audit, the chain, a card and its gate; and what happens when somebody changes a number."""

from __future__ import annotations

import contextlib
import io
import json
import random

from letter_runs import SMALL, folder, quiet, show
from letters import write_letters

import groundup as gu
from groundup.cli.main import app

here = folder()
rows = [{"text": "\n".join(each.lines)} for each in write_letters(80, random.Random(6))]
(here / "post.jsonl").write_text("\n".join(map(json.dumps, rows)))
planted = {
    "data.source": "post.jsonl",
    "data.canaries.count": 2,
    "data.canaries.copies": [1, 100],
    "data.canaries.format": "The code of the chest is {secret}.",
    "data.canaries.digits": 3,
    "data.canaries.seed": 4711,
}
with contextlib.chdir(here), contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
    gu.train("shakespeare", {**SMALL, **planted, "training.max_steps": 90}, run="post", say=quiet)
    app(["evaluate", "post"], standalone_mode=False)
    app(["audit", "post", "--only", "canaries", "memorization.candidates=0"], standalone_mode=False)
figures = json.loads((here / "post/audits/canaries.json").read_text())["figures"]["figures"]
exposure = [figures[f"exposure_{copies}_copies"]["value"] for copies in (0, 1, 100)]
print("$ groundup audit post --only canaries memorization.candidates=0")
for copies, bits in zip((0, 1, 100), exposure, strict=True):
    told = "below 5" if bits < 5 else f"{bits:.1f}"
    print(f"exposure, {copies:3} copies: {told} of {figures['highest_exposure_bits']:.1f} bits")
print()

(here / "gate.toml").write_text("""
    [evaluations.validation]
    perplexity = { max = 2, of = "high" }

    [audits.canaries]
    exposure_100_copies = { max = 3 }

    [audits.extraction]
    extracted = { max = 0.01, of = "high" }
""")
gate = show("groundup card post --gate gate.toml", here)
whole = show("groundup verify post", here)
file = here / "post/audits/canaries.json"
text = file.read_text()
file.write_text(text.replace(f'"value": {exposure[2]}', '"value": 1.0'))  # somebody would like a better figure
assert file.read_text() != text
broken = show("groundup verify post", here)

assert exposure[2] > 8 > 3 > exposure[0]
assert "FAILED" in gate
assert "broken" not in whole
assert "broken at audits/canaries.json" in broken
