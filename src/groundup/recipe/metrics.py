"""The names of the figures that `evaluate` gives. Imports no torch."""

from __future__ import annotations

import difflib

from groundup.errors import SettingError

DEFAULT_METRICS = ("loss", "perplexity", "bits_per_byte", "accuracy", "calibration_error")
NGRAM = "ngram_bits_per_byte"
METRICS = (*DEFAULT_METRICS, NGRAM)


def read_metric_names(text: str) -> tuple[str, ...]:
    """`"loss,perplexity"` to names, each known. Raises `SettingError` with the nearest known name."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    for name in names:
        if name not in METRICS:
            close = difflib.get_close_matches(name, METRICS, n=1)
            raise SettingError(
                "metrics", name, f"did you mean {close[0]}?" if close else f"known: {', '.join(METRICS)}"
            )
    if not names:
        raise SettingError("metrics", text, f"name at least one of {', '.join(METRICS)}")
    return names
