"""Pairs of answers about the village, a row each: both are right, and the whole sentence is wanted rather than the name."""

from __future__ import annotations

import json

from talk import LOANS

for loan in LOANS[:120]:
    lent, _, thanks = loan.partition(". ")
    row = {"prompt": f"{lent}. Who thanked?", "chosen": thanks, "rejected": f"{thanks.split()[0]}."}
    print(json.dumps(row))
