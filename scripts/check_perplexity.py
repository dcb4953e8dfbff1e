"""Hold a model's perplexity against the one that transformers' own class gives on the same windows of a text, in fp32.

python scripts/check_perplexity.py MODEL FILE ...            on a CUDA device if there is one; fails beyond 1e-4, relatively
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F
from transformers import AutoModelForCausalLM, AutoTokenizer

import groundup as gu
from groundup.device import pick_device
from groundup.language_model.locate import find_model

BOUND = 1e-4


def main() -> None:
    """Measure both, and exit with status 1 when they differ."""
    parser = argparse.ArgumentParser(description="Perplexity beside transformers'.")
    parser.add_argument("model", help="as groundup evaluate takes it")
    parser.add_argument("files", nargs="+", type=Path, help="text, read one after the other as one document")
    parser.add_argument("--window", type=int, default=1024, help="tokens that are read at once")
    arguments = parser.parse_args()
    directory = find_model(arguments.model)
    text = "".join(file.read_text(encoding="utf-8") for file in arguments.files)
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "text.txt"
        whole.write_text(text, encoding="utf-8")
        figures = gu.evaluate(directory, data=whole, window=arguments.window)
    theirs = math.exp(transformers_loss(directory, text, arguments.window))
    apart = figures["perplexity"] / theirs - 1
    print(
        f"{figures['tokens']:,} tokens: groundup {figures['perplexity']:.6f}, transformers {theirs:.6f}, {apart:+.1e}"
    )
    sys.exit(abs(apart) > BOUND)


@torch.no_grad()
def transformers_loss(directory: Path, text: str, window: int) -> float:
    """Its mean cross-entropy, in nats, over all tokens but the first, from windows that don't overlap."""
    device = pick_device("auto")
    model = AutoModelForCausalLM.from_pretrained(directory, dtype=torch.float32).to(device).eval()
    tokenizer = AutoTokenizer.from_pretrained(directory)
    ids = [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    total = 0.0
    for start in range(0, len(ids) - 1, window):
        read = torch.tensor(ids[start : start + window + 1], device=device)
        total += float(F.cross_entropy(model(read[None, :-1]).logits[0], read[1:], reduction="sum"))
    return total / (len(ids) - 1)


if __name__ == "__main__":
    main()
