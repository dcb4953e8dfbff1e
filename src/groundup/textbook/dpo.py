"""Direct preference optimization: from pairs of answers, a better and a worse one, a model learns which to give.

Shapes, at the line ends: B pairs, T time, V vocabulary.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.textbook.next_token import compute_logits


def answer_log_probability(model: nn.Module, input_ids: Tensor, is_answer: Tensor) -> Tensor:
    """(B,) ln P(answer | prompt) = ∑ ln P(w_t | w_1, …, w_{t-1}), in nats, over the tokens w_t of the answer.

    `input_ids` (B, T): prompt, answer, and on the right any padding. `is_answer` (B, T): True where a token is the answer's.
    """
    logits = compute_logits(model, input_ids[:, :-1])  # (B, T-1, V): what may come after each token but the last
    log_probabilities = F.log_softmax(logits.float(), dim=-1)  # (B, T-1, V)
    of_next = log_probabilities.gather(2, input_ids[:, 1:, None]).squeeze(2)  # (B, T-1): of what did come
    return (of_next * is_answer[:, 1:]).sum(dim=1)  # (B,)


def dpo_loss(
    chosen: Tensor,
    rejected: Tensor,
    reference_chosen: Tensor,
    reference_rejected: Tensor,
    beta: float = 0.1,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The mean loss of some pairs, of ln P(answer | prompt), (B,) each, of both answers under the model and the reference.

    An answer's reward is how much likelier it has become than under the reference, the model before this training:
    r = β · (ln P - ln P_ref). That the chosen answer is the better one has the probability σ(r_chosen - r_rejected)
    (Bradley & Terry 1952), and the loss is its negative logarithm (Rafailov et al. 2023, equation 7). No reward model, no
    sampling: the gradient raises the chosen answer and lowers the rejected one, the more so the more wrong the order is.

    β holds the model near the reference. With ε = `label_smoothing`, each pair counts as the wrong way round with
    probability ε (Mitchell 2023), so that the loss has its least at a finite margin, ln((1-ε) / ε), instead of driving it
    up without end.
    """
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))  # (B,)
    as_labelled, other_way = -F.logsigmoid(margin), -F.logsigmoid(-margin)  # (B,) each
    return ((1 - label_smoothing) * as_labelled + label_smoothing * other_way).mean()


def train_on_preferences(
    model: nn.Module,
    reference: nn.Module,
    chosen: tuple[Tensor, Tensor],
    rejected: tuple[Tensor, Tensor],
    num_steps: int = 30,
    learning_rate: float = 1e-3,
    beta: float = 0.1,
) -> list[float]:
    """Steps of AdamW on all pairs at once; the loss before each. Changes `model`, and reads `reference` once.

    `chosen`, `rejected`: ids and answer masks (B, T) of each pair's answers, as `answer_log_probability` takes them; row b of
    both is one pair. `reference` is a copy of the model as it was. Both read without dropout, whose noise would pass for a
    preference.
    """
    model.eval()
    reference.eval()
    with torch.no_grad():
        reference_chosen = answer_log_probability(reference, *chosen)  # (B,)
        reference_rejected = answer_log_probability(reference, *rejected)  # (B,)
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    losses: list[float] = []
    for _ in range(num_steps):
        now_chosen, now_rejected = answer_log_probability(model, *chosen), answer_log_probability(model, *rejected)
        loss = dpo_loss(now_chosen, now_rejected, reference_chosen, reference_rejected, beta)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        losses.append(loss.item())
    return losses
