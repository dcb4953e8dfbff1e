"""Hold a model's perplexity by `groundup evaluate` against transformers', in fp32 and in float64, on a text of any length.

    python scripts/check_perplexity.py MODEL TEXT.txt [--window 512]

MODEL is a Hugging Face directory. The other side is a plain loop: the same directory opened by transformers, its own tokenizer, windows
that don't overlap, each token but the first predicted once. Fails where fp32 and ours differ by more than 1e-4, relatively.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

import groundup as gu

BOUND = 1e-4


def main() -> None:
    """Print the three, and exit with status 1 when ours is too far away."""
    parser = argparse.ArgumentParser(description="Hold perplexity against transformers'.")
    parser.add_argument("model", type=Path)
    parser.add_argument("text", type=Path)
    parser.add_argument("--window", type=int, default=512)
    options = parser.parse_args()
    ours = gu.evaluate(options.model, data=options.text, window=options.window)
    text = options.text.read_text(encoding="utf-8")
    exact, theirs = (perplexity(options.model, text, options.window, dtype) for dtype in (torch.float64, torch.float32))
    print(f"{options.text.name}, {ours['tokens']:,} tokens in windows of {options.window}")
    print(f"float64       {exact:.8f}")
    print(f"transformers  {theirs:.8f}  {theirs / exact - 1:+.1e}")
    print(f"groundup      {ours['perplexity']:.8f}  {ours['perplexity'] / exact - 1:+.1e}")
    sys.exit(abs(ours["perplexity"] / theirs - 1) > BOUND)


def perplexity(directory: Path, text: str, window: int, dtype: torch.dtype) -> float:
    """By transformers, every number in this format."""
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=dtype).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    ids = torch.tensor([*tokenizer(text)["input_ids"], tokenizer.eos_token_id])
    nats = 0.0
    with torch.no_grad():
        for start in range(0, len(ids) - 1, window):
            targets = ids[start + 1 : start + window + 1]
            logits = model(ids[None, start : start + len(targets)]).logits[0]
            nats += float(torch.nn.functional.cross_entropy(logits, targets, reduction="sum"))
    return math.exp(nats / (len(ids) - 1))


if __name__ == "__main__":
    main()
