"""Muon where each process holds some rows of every matrix, and whole ones are what is orthogonalized."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from groundup.training.muon import Each, Muon, orthogonalize
from groundup.training.ranks import Ranks


class ShardedMuon(Muon):
    """The same rule. The parameters are dealt out: in each round every process gets one as a whole, orthogonalizes the matrices in
    it, and gives all the others their rows of the step. So no more than two of them are whole at a time."""

    def deal(self, rows: Sequence[Sequence[int]], num_parts: int, ranks: Ranks) -> None:
        self.stacked, self.ranks = [list(heights) for heights in rows], ranks

    def subtract_all(self, updates: Sequence[Tensor], lr: Tensor, each: Each) -> None:
        size = self.ranks.size
        for begin in range(0, len(self.parameters), size):
            in_turn = range(begin, min(begin + size, len(self.parameters)))
            own = torch.empty(0, device=lr.device)
            for place in in_turn:
                whole = self.ranks.gather_rows(updates[place], sum(self.stacked[place]))
                if place - begin == self.ranks.rank:
                    own = whole
            if begin + self.ranks.rank in in_turn:
                own = self._step(own, self.stacked[begin + self.ranks.rank], lr)
            for place in in_turn:
                mine = place - begin == self.ranks.rank
                shape = (sum(self.stacked[place]), updates[place].shape[1])
                step = own if mine else updates[place].new_empty(shape)
                self.ranks.send([step], source=place - begin)
                self.parameters[place].sub_(self.ranks.rows_of(step))

    def _step(self, whole: Tensor, heights: Sequence[int], lr: Tensor) -> Tensor:
        """What is to be taken from a parameter: each of the matrices stacked in it orthogonalized, and scaled by its shape."""
        steps = []
        for matrix in torch.split(whole, list(heights)):
            step = orthogonalize(matrix[None].to(self.product_dtype or matrix.dtype), self.quintics)[0]
            steps.append(step.to(matrix.dtype) * (lr * max(1.0, matrix.shape[0] / matrix.shape[1]) ** 0.5))
        return torch.cat(steps)
