"""The library's figures: of letters, by who wrote them; of two checkpoints, by a paired test; of a quiz; of texts against references."""

from __future__ import annotations

import json

from letter_runs import folder, show

here = folder()
(here / "wanted.jsonl").write_text(
    json.dumps({"reference": "Ben thanked Mia."}) + "\n" + json.dumps({"reference": "Eva thanked Tom."})
)
(here / "written.jsonl").write_text(
    json.dumps({"prediction": "Mia thanked Ben."}) + "\n" + json.dumps({"prediction": "Eva thanked Tom."})
)

of_letters = show("groundup evaluate village --data letters.jsonl --by source", here)
of_two = show("groundup evaluate village --against village/checkpoints/step-000045 --data letters.jsonl", here)
show("groundup evaluate village --task thanks.toml", here)
show("groundup evaluate --predictions written.jsonl --references wanted.jsonl", here)

assert "over documents" in of_letters
assert "< 0.001" in of_two
