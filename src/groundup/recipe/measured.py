"""What a rehearsal found: seconds, bytes and joules of the parts that a training is made of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reading:
    """What reading held-out text takes, with several threads side by side."""

    first: float
    """Seconds of one thread for each token of its first batch, whose memory comes fresh from the system."""
    further: float
    """And of the batches after that."""
    readers: int
    """How many threads there are."""
    batch_tokens: int
    """How many tokens each reads at once."""

    def seconds(self, num_tokens: int) -> float:
        """To read so many tokens: what the thread takes that reads most, which the others wait for."""
        first = min(num_tokens, self.batch_tokens)
        return self.first * first + self.further * max(0.0, num_tokens / self.readers - self.batch_tokens)


@dataclass(frozen=True)
class Measured:
    """What the parts of a training take on this machine: seconds, bytes, joules."""

    opening: float
    """From the prepared data to the first evaluation."""
    step: float
    """The mean of all steps."""
    first_step: float
    """More than that, once: what is made at the first step."""
    reference: Reading | None
    """Of pairs, which the network reads before its training, in the format of its steps."""
    evaluation: Reading
    """Of what is held out, as much as is read between steps."""
    report: float
    """A report."""
    sample_token: float
    """Each further token of a text."""
    checkpoint: float
    end: Reading
    """Of all that is held out, once the steps are taken."""
    finish: float
    """The rest of the end, but for its sample: the best checkpoint is verified, read, copied and described."""
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
