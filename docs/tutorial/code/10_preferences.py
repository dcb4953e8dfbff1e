"""Direct preference optimization: of two good answers, the whole sentence rather than the name; and how it goes too far."""

from __future__ import annotations

import copy
import math

import torch
import torch.nn.functional as F
from talk import ASKED, LOANS, STOP, Talk, about_thanks, as_padded, reply, village_model
from torch import nn

from groundup.textbook.dpo import answer_log_probability, train_on_preferences


def in_short(loan: str) -> Talk:
    """Only the name."""
    asked, answer = about_thanks(loan)
    return asked, f"{answer.split()[0]}."


def in_words(share: float) -> str:
    """Roughly how many, since that is what is sure."""
    names = {0.02: "none", 0.35: "few", 0.6: "half", 0.95: "most"}
    return next((name for limit, name in names.items() if share < limit), "all")


torch.manual_seed(1)
assistant = village_model()  # first taught both ways of answering, each as often
ids, is_answer = as_padded([about(loan) for loan in LOANS[:120] for about in (about_thanks, in_short)])
optimizer = torch.optim.AdamW(assistant.parameters(), lr=0.005)
for step in range(200):
    optimizer.param_groups[0]["lr"] = 0.005 * min(1.0, (step + 1) / 10, (200 - step) / 100)
    rows = torch.randint(len(ids), (16,))
    learned = ids[rows, 1:].masked_fill(~is_answer[rows, 1:], -100)
    loss = F.cross_entropy(assistant(ids[rows, :-1]).flatten(0, 1), learned.flatten(), ignore_index=-100)
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(assistant.parameters(), 1.0)
    optimizer.step()

pairs, new_pairs = (
    (as_padded([about_thanks(loan) for loan in loans]), as_padded([in_short(loan) for loan in loans]))
    for loans in (LOANS[120:144], LOANS[144:184])
)


@torch.no_grad()
def report(name: str, model: nn.Module, beta: float) -> tuple[float, float]:
    """On pairs that it was not trained on, and in 300 answers that it draws."""
    chosen, rejected = (answer_log_probability(model, *side) for side in new_pairs)
    before_chosen, before_rejected = (answer_log_probability(assistant, *side) for side in new_pairs)
    margins = beta * ((chosen - before_chosen) - (rejected - before_rejected))
    asked, answers = zip(*[about_thanks(loan) for loan in ASKED] * 3, strict=True)
    torch.manual_seed(2)
    said = [text.replace(" .", ".").removesuffix(f" {STOP}") for text in reply(model, asked, temperature=1.0)]
    whole = sum(text == answer for text, answer in zip(said, answers, strict=True)) / len(said)
    short = sum(text == f"{answer.split()[0]}." for text, answer in zip(said, answers, strict=True)) / len(said)
    accuracy = float((margins > 0).float().mean())
    loss = float(-F.logsigmoid(margins).mean())
    margin = f"{margins.mean():.1f}" if margins.mean() < 1 else "over 5"
    shares = (float(chosen.mean().exp()), float(rejected.mean().exp()), whole, short, 1 - whole - short)
    print(f"{name:24}{loss:6.1f}{accuracy:10.0%}{margin:>8}" + "".join(f"{in_words(share):>9}" for share in shares))
    assert not 1 <= margins.mean() <= 5
    return whole, float(chosen.mean())


print("                                                  P of an answer      300 answers drawn")
print("steps          β          loss  accuracy  margin   chosen rejected    whole    short    wrong")
found = {"before": report("before", assistant, 0.1)}
for steps, beta in ((30, 0.1), (100, 0.1), (100, 5.0)):
    model = copy.deepcopy(assistant)
    losses = train_on_preferences(model, assistant, *pairs, num_steps=steps, learning_rate=1e-4, beta=beta)
    found[f"{steps}, {beta}"] = report(f"{steps:<15}{beta}", model, beta)

gentle, far, held = list(found.values())[1:]  # each (whole, ln P of the chosen)
assert abs(losses[0] - math.log(2)) < 1e-5
assert gentle[0] > found["before"][0] + 0.1
assert far[0] < 0.2
assert far[1] < found["before"][1]  # even the chosen answers have become less likely
assert held[0] > far[0] + 0.2
