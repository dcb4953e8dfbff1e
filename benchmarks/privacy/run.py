"""Recall and precision of the privacy step on made-up data, drawn afresh in each run.

    .venv/bin/python -m benchmarks.privacy.run [--each 40] [--seed N] [--failures] [--output benchmarks/results/privacy.json]

The values come from `values.py`, written from the standards' descriptions, which shares no pattern, table or check with the
detector. Between them stand look-alikes: versions, ISBNs, hashes, function names, order numbers, times, prices and others.
Ends with status 1 when a kind other than names has recall below 0.95 or precision below 0.90.
"""

from __future__ import annotations

from benchmarks.privacy.report import parser, tell
from benchmarks.privacy.scoring import Score
from benchmarks.privacy.texts import measured_set

from groundup.text.privacy.detect import find_personal_data
from groundup.text.privacy.settings import PrivacySettings


def main() -> None:
    options = parser("Recall and precision of the privacy step, by kind and form.", each=40)
    options.add_argument("--names", choices=("off", "context", "model"), default="context")
    options.add_argument("--names-model", default=PrivacySettings.names_model)
    arguments = options.parse_args()
    settings = PrivacySettings(names=arguments.names, names_model=arguments.names_model)
    score = Score()
    samples = measured_set(arguments.seed, arguments.each, arguments.each)
    for sample in samples:
        score.add(sample.text, sample.entities, find_personal_data(sample.text, settings))
    tell(f"{len(samples):,} texts", "benchmarks.privacy.run", score, arguments)


if __name__ == "__main__":
    main()
