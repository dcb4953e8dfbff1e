"""One text, two ways to cut it: which figures can be compared. And one model, four ways to add up: which figure is right."""

from __future__ import annotations

import copy
import math

import torch
from letters import trained
from practice import as_rows
from village import END, HELD_OUT_LINES, TRAINING_LINES, split_words

from groundup.textbook import NgramModel
from groundup.textbook.next_token import next_token_loss

text_bytes = sum(len(line.encode()) + 1 for line in HELD_OUT_LINES)  # each line ends
figures = {}
print("cut into     tokens   loss a token   perplexity   bits per byte")
for name, cut in (("words", split_words), ("characters", list)):
    pieces = {piece: number for number, piece in enumerate([END, *sorted({p for x in TRAINING_LINES for p in cut(x)})])}
    model = NgramModel([[pieces[p] for p in [*cut(line), END]] for line in TRAINING_LINES[:200]], len(pieces), order=5)
    nats, tokens = 0.0, 0
    for line in HELD_OUT_LINES:
        ids = [pieces[piece] for piece in [*cut(line), END]]
        nats -= sum(math.log(model.probability(ids[:place], token)) for place, token in enumerate(ids))
        tokens += len(ids)
    loss, bits = nats / tokens, nats / math.log(2) / text_bytes
    figures[name] = (loss, bits)
    print(f"{name:13}{tokens:6,}{loss:15.2f}{math.exp(loss):13.2f}{bits:16.3f}")

# Half of the lines are cut short, so a batch of them has to be filled up.
torch.manual_seed(0)
network = copy.deepcopy(trained())
rows = as_rows(HELD_OUT_LINES)
mask = torch.ones_like(rows)
mask[::2, 7:] = 0  # the second sentence is missing in every other one
rows[mask == 0] = 0
batches = [slice(0, 45), slice(45, 48)]  # the last one is small


def over(chosen: slice, padding_counts: bool = False) -> tuple[float, int]:
    batch = {"input_ids": rows[chosen]} | ({} if padding_counts else {"attention_mask": mask[chosen]})
    with torch.no_grad():
        summed, count = next_token_loss(network, batch)
    return float(summed), count


parts = [over(batch) for batch in batches]
ways = {
    "all losses over all tokens": sum(nats for nats, _ in parts) / sum(count for _, count in parts),
    "the mean of the batches' means": sum(nats / count for nats, count in parts) / len(parts),
    "padding counted as text": over(slice(None), padding_counts=True)[0] / over(slice(None), padding_counts=True)[1],
    "dropout left on": 0.0,
}
for layer in network.modules():
    if isinstance(layer, torch.nn.Dropout):
        layer.p = 0.1
network.train()
with torch.no_grad():
    ways["dropout left on"] = sum(over(batch)[0] for batch in batches) / sum(count for _, count in parts)
print("\nperplexity of one model on one text")
for name, loss in ways.items():
    print(f"{name:32}{math.exp(loss):6.2f}")

right, *wrong = ways.values()
assert figures["words"][0] > figures["characters"][0]
assert all(abs(each - right) > 0.01 for each in wrong)
