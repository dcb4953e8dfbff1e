"""The private gradient: clipped row by row, made noisy, and counted. It takes the ordinary gradient's place within a step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from groundup.run.directory import EVENTS_FILE, RunDirectory
from groundup.run.records import read_records
from groundup.training.muon import Each
from groundup.training.privacy.accountant import Ledger, Spent, num_steps
from groundup.training.privacy.plan import PrivacyPlan, finite
from groundup.training.privacy.randomness import add_gaussian_noise
from groundup.training.privacy.row_gradients import RowGradients


class PrivateSteps:
    """What the steps of a private training do and have spent."""

    def __init__(self, plan: PrivacyPlan) -> None:
        self.plan = plan
        self.ledger: Ledger = ()

    def backward(
        self, loss_sum: Callable[[nn.Module, Tensor], Tensor], num_terms: int, network: nn.Module, rows: Tensor
    ) -> Tensor:
        """Add the clipped gradients of marked rows (B, L+1) to the network's; their loss, divided by `num_terms`, without the graph.

        A row's gradient is that of its mean loss over the tokens it learns. `loss_sum` is over all tokens of all rows: nothing that a
        row's gradient is made of, not even its rounding, hangs on what else was drawn.
        """
        if not len(rows):
            for parameter in network.parameters():
                if parameter.requires_grad and parameter.grad is None:
                    parameter.grad = torch.zeros_like(parameter)
            return torch.zeros((), device=rows.device)
        with RowGradients(network, len(rows)) as gradients:
            loss = loss_sum(network, rows)
            loss.backward()  # type: ignore[no-untyped-call]
        counts = (rows[:, 1:] >= 0).sum(dim=1)  # (B,)
        to_means = torch.where(counts > 0, 1 / counts.clamp(min=1), 0.0)
        norms = gradients.squared_norms().sqrt() * to_means
        gradients.add_clipped(to_means * (self.plan.clip_norm / norms.clamp(min=1e-12)).clamp(max=1))
        return loss.detach() / num_terms

    def finish(self, parameters: Sequence[nn.Parameter], num_parts: int, each: Each) -> None:
        """Make the sum of all clipped gradients noisy, divide it by the number of rows that was expected, and count the step."""
        by_size = sorted(parameters, key=lambda parameter: -parameter.numel())
        gradients = [[p.grad for p in by_size[part::num_parts] if p.grad is not None] for part in range(num_parts)]

        def finish_part(part: list[Tensor]) -> None:
            if self.plan.noise_multiplier:
                add_gaussian_noise(part, self.plan.noise_multiplier * self.plan.clip_norm)
            for gradient in part:
                gradient /= self.plan.expected_rows

        each(finish_part, gradients)
        self.ledger = self.plan.after(self.ledger, 1)

    def spent(self) -> float | None:
        """ε of all steps so far; None if nothing bounds it."""
        return finite(self.plan.spent(self.ledger))

    def state(self) -> dict[str, Any]:
        """What was spent, and on what, as JSON values. No key of what was drawn is among it: there is none."""
        return {
            "unit": "document",
            "delta": self.plan.delta,
            "epsilon": {name: finite(self.plan.spent(self.ledger, name)) for name in ("prv", "rdp")},
            "ledger": [list(spent) for spent in self.ledger],
        }

    def tell(self, run: RunDirectory, step: int) -> None:
        """Write down for good what was spent until here."""
        run.log_event("spent", step, ledger=self.ledger)
        run.sync_records()

    def go_on(self, run: RunDirectory, state: Mapping[str, Any] | None) -> None:
        """Go on with what was spent already: the longest of the ledgers that the run has written.

        That is longer than the checkpoint's, in its `state`, where later weights were there to be seen, and are lost or were set aside;
        and there is one without any checkpoint (None), where training was killed while its first one was written.
        """
        told = [event["ledger"] for event in read_records(run.path / EVENTS_FILE) if event.get("event") == "spent"]
        kept = [] if state is None else [state["privacy"]["ledger"]]
        ledgers = [tuple(Spent(*spent) for spent in ledger) for ledger in (*kept, *told)]
        self.ledger = max(ledgers, key=num_steps, default=())
