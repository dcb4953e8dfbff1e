"""What memory is told by: its kinds, and what a recipe asks of it. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, fields

from groundup.model.settings import TransformerConfig
from groundup.training.settings import TrainingSettings


@dataclass(frozen=True)
class Memory:
    """Bytes by kind, of one rank, at the moment when they are most."""

    moment: str
    weights: int = 0
    """With what the matrix products have of them in their own format, and, under `fsdp`, the layers that are whole for a moment, and at
    validation all, in the first process."""
    gradients: int = 0
    optimizer: int = 0
    """AdamW's two moments, or Muon's one."""
    activations: int = 0
    """What the way back needs, of the rows that are read at once."""
    logits: int = 0
    """Scores of the vocabulary, and the output projection's gradient, which is made beside them."""
    update: int = 0
    """What the optimizer makes on its way: Muon's updates."""
    cache: int = 0
    """Keys and values of the text that is written at a validation."""
    libraries: int = 0

    @property
    def total(self) -> int:
        """All of it: the most that the process holds."""
        return sum(getattr(self, each.name) for each in fields(self) if each.name != "moment")


@dataclass(frozen=True)
class Load:
    """What a recipe asks of the memory."""

    config: TransformerConfig
    settings: TrainingSettings
    adapter_parameters: int | None = None
    """How many are trained beside frozen weights; None if all weights are."""
    row_length: int = 0
    """Tokens of a row; 0: the network's context."""
    learned_share: float = 1.0
    """Of the tokens, which carry loss."""
    evaluation_rows: int = 32
    """How many of validation's windows are read at once."""
    evaluation_tokens: int = 0
    """Tokens that validation reads; 0: more than the threads read at once."""
    held_out: int = 0
    """Tokens that the end reads; 0: more than the threads read at once."""
    sample_tokens: int = 200
    """How long the text is that is written at a validation."""
    rows_are_text_alone: bool = True
    """Whether rows of text have neither padding nor each token's document beside them (`text.settings.DataSettings`)."""
