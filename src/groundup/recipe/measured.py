"""What a rehearsal found: seconds, bytes and joules of the parts that a training is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Measured:
    """What the parts of a training take on this machine: seconds, bytes, joules."""

    opening: float
    """From the prepared data to the first evaluation."""
    step: float
    """The mean of all steps."""
    first_step: float
    """More than that, once: what is made at the first step."""
    evaluation_token: float
    """Of one thread that reads a batch of validation's windows."""
    readers: int
    """How many threads read side by side."""
    batch_tokens: int
    """How many tokens each reads at once."""
    evaluation: float
    """The rest of an evaluation: the sample that is written, and the report."""
    sample_token: float
    checkpoint: float
    finish: float
    """The end, but for its evaluation and its sample: the best checkpoint is verified, read, copied and described."""
    flops: float
    """Of a mean step."""
    tokens: float
    """That carry loss, of a mean step."""
    peak_flops: float
    peak_bytes: int
    """The most memory that this process held; on a GPU, of the device."""
    watts: float | None
    """While steps were taken; None where no counter can be read."""
    cores_share: float
    """Of the time of as many cores as it has threads, what its steps got; on a GPU 1."""
    cut: bool
    """Whether something was too long to be measured whole."""
    measuring: float
    """Seconds that all of this took."""

    def evaluating(self, num_tokens: int) -> float:
        """Seconds to read so many held-out tokens."""
        return self.evaluation_token * busiest_reads(num_tokens, self.readers, self.batch_tokens)


def busiest_reads(num_tokens: int, readers: int, batch_tokens: int) -> float:
    """How many of so many tokens that thread reads which the others wait for: a batch, or, of many batches, its share."""
    return min(num_tokens, batch_tokens) if num_tokens <= readers * batch_tokens else num_tokens / readers
