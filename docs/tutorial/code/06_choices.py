"""Right lines and different lines: what the sampling settings trade for each other."""

from __future__ import annotations

import torch
from practice import as_text, practise, small_model
from village import LINES, TOKENS_A_LINE

from groundup.generation.sampling import warp_logits
from groundup.generation.settings import GenerationSettings

torch.manual_seed(0)
model = small_model()
practise(model)


@torch.no_grad()
def write(settings: GenerationSettings) -> list[str]:
    """400 lines, drawn with the settings."""
    torch.manual_seed(1)
    ids = torch.zeros(400, 1, dtype=torch.long)  # (B, T), from the end token on
    for _ in range(TOKENS_A_LINE):
        logits = warp_logits(model(ids)[:, -1], settings)  # (B, V)
        if settings.temperature == 0:
            drawn = logits.argmax(dim=-1, keepdim=True)  # (B, 1)
        else:
            drawn = torch.multinomial(logits.softmax(dim=-1), num_samples=1)  # (B, 1)
        ids = torch.cat([ids, drawn], dim=1)
    return [as_text(row) for row in ids.tolist()]


print("settings                        right lines   different lines   for example")
right, different = {}, {}
for name, settings in {
    "temperature 0": GenerationSettings(temperature=0.0),
    "temperature 0.5": GenerationSettings(temperature=0.5),
    "temperature 1": GenerationSettings(temperature=1.0),
    "temperature 2": GenerationSettings(temperature=2.0),
    "temperature 2, top-k 3": GenerationSettings(temperature=2.0, top_k=3),
    "temperature 2, top-p 0.8": GenerationSettings(temperature=2.0, top_p=0.8),
    "temperature 2, min-p 0.3": GenerationSettings(temperature=2.0, min_p=0.3),
}.items():
    lines = write(settings)
    right[name] = sum(line in LINES for line in lines) / len(lines)
    different[name] = len(set(lines)) / len(lines)
    print(f"{name:32}{right[name]:11.0%}{different[name]:18.0%}   {lines[0]}")

assert right["temperature 2"] < 0.4 < 0.7 < right["temperature 1"]
assert right["temperature 2, min-p 0.3"] > 0.7  # the filter undoes the damage, ...
assert different["temperature 2, min-p 0.3"] > 1.5 * different["temperature 2, top-k 3"]  # ... and keeps the variety
