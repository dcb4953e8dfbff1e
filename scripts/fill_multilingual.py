"""Keep docs/projects/multilingual.md true: measure a run, and fill the page's blocks from what was measured.

python scripts/fill_multilingual.py runs/multilingual    measure it into multilingual.json, then fill the page
python scripts/fill_multilingual.py                      fill the page from multilingual.json as it is
python scripts/fill_multilingual.py --check              change nothing; fail if the page is stale
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from project_page import facts_of, keep_true, text_block

SAMPLES_SHOWN = 2
NUM_SAMPLES = 50


def measure(runs: list[Path]) -> dict[str, Any]:
    """What the page shows of a run."""
    from groundup.recipe.evaluate_languages import as_plain, evaluate_languages

    [run] = runs
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    return {
        **facts_of(run),
        "training_tokens": manifest["data"]["tokens"]["train"],
        "mixture": manifest["data"]["mixture"]["groups"],
        "languages": as_plain(evaluate_languages(run, NUM_SAMPLES, print)),
    }


def run_line(figures: dict[str, Any]) -> str:
    """How large, how long, and in how many languages it is better than counting."""
    languages = figures["languages"]
    below = [name for name, one in languages.items() if one["bits_per_byte"] < one["bar"]]
    others = [name for name in languages if name not in below]
    verdict = f"Below the best n-gram model in {len(below)} of {len(languages)} languages"
    if others:
        verdict += f" (not in {', '.join(others)})"
    return (
        f"{figures['parameters']:,} parameters, {figures['steps']:,} steps, {figures['tokens'] / 1e6:.1f} million tokens: the "
        f"{figures['training_tokens'] / 1e6:.2f} million of the training text {figures['tokens'] / figures['training_tokens']:.1f} "
        f"times over, in {figures['seconds'] / 60:.1f} minutes on {figures['num_threads']} threads, in {figures['precision']}. "
        f"The best checkpoint is that of step {figures['best_step']:,}. **{verdict}.**"
    )


def languages_table(figures: dict[str, Any]) -> str:
    """A row for each language."""
    heads = ["", "held out, kB", "**bits per byte**", "n-gram, tokens", "n-gram, this language's", "n-gram, bytes"]
    heads += ["bytes a token", "tokens a word", "in the language", "copies", "copies in held-out text"]
    lines = [f"| {' | '.join(heads)} |", f"|---|{'---:|' * (len(heads) - 1)}"]
    for name, one in figures["languages"].items():
        grams = [f"{one['ngram_bits_per_byte'][kind]:.3f}" for kind in ("tokens", "tokens_of_language", "bytes")]
        shares = [f"{one[kind]:.0%}" for kind in ("in_language", "copies", "held_out_copies")]
        sizes = [f"{one['bytes_per_token']:.2f}", f"{one['tokens_per_word']:.2f}"]
        cells = [name, f"{one['bytes'] / 1000:.0f}", f"**{one['bits_per_byte']:.3f}**", *grams, *sizes, *shares]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def sample_blocks(figures: dict[str, Any]) -> str:
    """The first samples of each language, whole."""
    return "\n\n".join(
        f"`{name}`, sample {number}:\n\n{text_block(text)}"
        for name, one in figures["languages"].items()
        for number, text in enumerate(one["samples"][:SAMPLES_SHOWN], start=1)
    )


BLOCKS = {"run": run_line, "languages": languages_table, "samples": sample_blocks}

if __name__ == "__main__":
    keep_true("multilingual", measure, BLOCKS)
