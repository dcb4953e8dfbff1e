"""Was this line trained on? What the loss gives away, and how a comparison of unlike texts gives away nothing but itself."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from letters import KNOWN_LINES, OF_NEWCOMERS, trained
from practice import as_rows
from torch import nn

from groundup.evaluation.memorization.separation import auc_interval, rows_of, true_positive_rate
from groundup.textbook.memorization import area_under_curve


def scores(model: nn.Module, lines: list[str]) -> list[float]:
    """Minus the mean loss of each line: higher for what the model finds likely."""
    rows = as_rows(lines)
    with torch.no_grad():
        losses = F.cross_entropy(model(rows[:, :-1]).transpose(1, 2), rows[:, 1:], reduction="none")
    return (-losses.mean(dim=1)).tolist()


few, never = KNOWN_LINES[:30], KNOWN_LINES[200:]
CASES = {
    "read 30 lines, over and over": (trained(250, num_lines=30), few, never),
    "read 200 lines, a while": (trained(150, num_lines=200), KNOWN_LINES[:200], never),
    "control: read neither side": (trained(150, num_lines=200), KNOWN_LINES[200:250], KNOWN_LINES[250:]),
    "same control, unlike sides": (trained(150, num_lines=200), never, OF_NEWCOMERS),
}
print("                                AUC                    found at 1 % false alarms")
found = {}
for name, (model, members, others) in CASES.items():
    of_members, of_others = scores(model, members), scores(model, others)
    rows = rows_of(torch.tensor(of_members).double().numpy(), torch.tensor(of_others).double().numpy())
    interval = auc_interval(rows)
    found[name] = interval.value
    print(f"{name:30}{interval.value:6.2f} ({interval.low:.2f} to {interval.high:.2f}){true_positive_rate(rows):19.0%}")
    assert abs(area_under_curve(of_members, of_others) - interval.value) < 1e-6

assert found["read 30 lines, over and over"] > 0.9
assert 0.4 < found["control: read neither side"] < 0.6
assert found["same control, unlike sides"] > 0.8
