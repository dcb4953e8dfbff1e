"""One link of the chain from raw bytes to model, as `verify` finds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["whole", "broken", "not here", "not recorded", "other"]


@dataclass(frozen=True)
class Link:
    """One link of the chain, looked at."""

    name: str
    """What it is: a file of the run, or something that the run was made of."""
    state: State
    """`whole`: as it was written down. `broken`: it is not. `not here`: it can't be had now. `not recorded`: the run is older than the
    record. `other`: not what the run was made with or wrote, which breaks nothing: another Groundup, a card that was edited."""
    detail: str = ""
