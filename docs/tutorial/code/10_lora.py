"""Narrow matrices instead of all weights: how many are trained, what they learn, and what is there when they are taken out."""

from __future__ import annotations

import copy

import torch
from market import VILLAGE_HELD_OUT, as_rows, village_model
from practice import mean_loss
from torch import nn
from tuning import fine_tune
from village import LINES

from groundup.textbook.lora import LoRALinear, add_lora, count_parameters, merge_lora

# The toy shop's lines are some of the village's: only Ada and Ben lend there, and only drums and kites.
TOYS = as_rows([line for line in LINES if line.startswith(("Ada", "Ben")) and {"drum.", "kite."} & set(line.split())])
SHOP, SHOP_HELD_OUT = TOYS[:20], TOYS[20:]
QUERIES_AND_VALUES = ("query_projection", "value_projection")
EVERY_LINEAR = ("query_projection", "key_projection", "value_projection", "output_projection", "0", "3")


def report(name: str, model: nn.Module, trained: int = 0) -> tuple[float, float]:
    losses = mean_loss(model, SHOP_HELD_OUT), mean_loss(model, VILLAGE_HELD_OUT)
    print(f"{name:36}{trained:8,}{losses[0]:10.2f}{losses[1]:10.1f}")
    return losses


base = village_model()
print("what is trained                      numbers  toy shop   village")
report("nothing yet", base)
torch.manual_seed(1)
full = fine_tune(copy.deepcopy(base), SHOP, SHOP_HELD_OUT, epochs=10, learning_rate=0.003, eval_steps=5).model
report("all weights", full, count_parameters(full)[0])
for name, targets, rank in (
    ("queries and values, rank 1", QUERIES_AND_VALUES, 1),
    ("queries and values, rank 8", QUERIES_AND_VALUES, 8),
    ("every linear layer, rank 1", EVERY_LINEAR, 1),
    ("every linear layer, rank 2", EVERY_LINEAR, 2),
):
    torch.manual_seed(1)
    adapted = copy.deepcopy(base)
    add_lora(adapted, targets, rank, alpha=2 * rank, dropout=0.0)
    trained = count_parameters(adapted)[0]
    adapted = fine_tune(adapted, SHOP, SHOP_HELD_OUT, epochs=10, learning_rate=0.03, eval_steps=5).model
    with_it = report(name, adapted, trained)

merged, unplugged = copy.deepcopy(adapted), adapted
merge_lora(merged)
difference = float((merged(SHOP[:, :-1]) - adapted(SHOP[:, :-1])).detach().abs().max())
for module in unplugged.modules():
    if isinstance(module, LoRALinear):
        module.scale = 0.0
without_it = report("the last one, with the scale at 0", unplugged)
print(f"merged into plain layers, its scores differ by {difference:.3f} at most")

moved, was = (model.transformer_blocks[0].attention.value_projection.weight for model in (full, base))
change = (moved - was).detach()
sizes = torch.linalg.svdvals(change) ** 2
print(
    f"\nwhat all weights' training added to the values' matrix, {' by '.join(map(str, change.shape))}: the share of it that lies in"
)
print(
    ", ".join(
        f"{float(sizes[:rank].sum() / sizes.sum()):.1f} in {rank} of {len(sizes)} directions" for rank in (1, 2, 4)
    )
)

assert difference < 1e-3
assert without_it[1] == mean_loss(base, VILLAGE_HELD_OUT)
assert with_it[0] < 0.4
