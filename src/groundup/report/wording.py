"""How a run's objective is called on its page and its card: the words that differ between texts, answers and pairs."""

from __future__ import annotations

import math
from dataclasses import dataclass

from groundup.report.facts import RunFacts
from groundup.report.pages import count, figure, share
from groundup.report.points import Sample
from groundup.report.values import number, section, text


@dataclass(frozen=True)
class Words:
    """The words of one objective."""

    examples: str
    """What the training data consists of."""
    data_bytes: str
    """What the bytes are of that are counted with it."""
    held_out: str
    """What the validation figures are measured on, behind "on"."""
    loss_unit: str
    loss: str
    """What the loss is, as a sentence's beginning."""
    tuning: str
    """What a training that starts from a model is called."""
    tokens: str
    """What the tokens are that a measurement counts."""
    tokens_per_second: str
    window: str
    """What the window of a measurement is, as a card's row says it."""


WORDS = {
    "language_model": Words(
        examples="documents",
        data_bytes="bytes",
        held_out="text held out from training",
        loss_unit="nats per token",
        loss="How surprised the model is by each next token, on average: 0 would be never",
        tuning="Fine-tuning",
        tokens="held-out tokens",
        tokens_per_second="Training tokens read each second.",
        window="tokens; each is predicted from those before it in its window",
    ),
    "instruction": Words(
        examples="rows",
        data_bytes="bytes that are learned",
        held_out="rows held out from training",
        loss_unit="nats per token",
        loss="How surprised the model is by each token that it is to learn, on average: 0 would be never",
        tuning="Instruction tuning",
        tokens="held-out tokens that carry loss",
        tokens_per_second="Tokens that carry loss, each second; what is read besides is not counted.",
        window="tokens",
    ),
    "preference": Words(
        examples="pairs",
        data_bytes="bytes of answers",
        held_out="pairs of answers held out from training",
        loss_unit="nats per pair",
        loss="How far the model is from telling each pair's chosen answer from the rejected one: 0 would be beyond doubt",
        tuning="Preference tuning",
        tokens="tokens of held-out answers",
        tokens_per_second="Tokens of both answers, each second; what is read besides is not counted.",
        window="tokens",
    ),
}
NO_PREFERENCE = math.log(2)
"""The loss of a pair that the model likes neither better nor worse than the reference does, its margin being 0."""


def words(facts: RunFacts) -> Words:
    """Those of the run's objective; of one that we don't know, a language model's."""
    return WORDS.get(facts.objective, WORDS["language_model"])


def kind_of_run(facts: RunFacts) -> str:
    """What was done, in a few words: `Instruction tuning of smollm2-135m-instruct with LoRA`."""
    if facts.base is None:
        return "Training run"
    how = {"full": ", all weights", "lora": ", with LoRA"}.get(text(facts.training_settings.get("method")), "")
    return f"{words(facts).tuning} of {facts.base.name}{how}"


def starting_level(facts: RunFacts) -> tuple[float, str] | None:
    """A level to hold the losses against, and what it is: what guessing would have, or what the run began with."""
    if facts.objective == "preference":
        return NO_PREFERENCE, f"where it began: ln 2 = {NO_PREFERENCE:.2f}"
    if facts.base is not None:
        before = facts.before
        return None if before is None or before.loss is None else (before.loss, f"before tuning: {figure(before.loss)}")
    size = facts.vocab_size
    return (math.log(size), f"guessing: ln {size:,} = {math.log(size):.2f}") if size and size > 1 else None


def below_prompt(facts: RunFacts, sample: Sample) -> str:
    """What a model wrote, on a line of its own where it answers a question and doesn't continue a text."""
    apart = facts.answers and sample.prompt and not sample.prompt.endswith("\n")
    return f"\n{sample.text}" if apart else sample.text


def what_carries_loss(facts: RunFacts) -> str:
    """Which tokens are learned, and how, as sentences; empty for a network of its own on texts."""
    if facts.objective == "instruction":
        conversations = set(section(facts.labels, "kinds")) <= {"conversation"}
        which = (
            "the assistant's tokens only, the end of each turn included"
            if conversations
            else "what the rows mark as learned"
        )
        return f"Loss is carried by {which}; all other tokens are read, not learned."
    if facts.objective == "preference":
        beta = number(section(facts.training_settings, "preference").get("beta"))
        return (
            f"Direct preference optimization{'' if beta is None else f' (β {beta:g})'}: of two answers to a prompt, the chosen one is "
            "made likelier against the rejected one, compared with the model that training began with."
        )
    return "Every token of the texts carries loss." if facts.base is not None else ""


def what_was_trained(facts: RunFacts) -> str:
    """How many of the parameters, and by which method, as a phrase; empty where the files don't say."""
    trained, total = facts.trained_parameters, facts.total_parameters
    if facts.lora is None:
        return "all of them" if trained is not None and trained == total else ""
    rank, targets = number(facts.lora.get("rank")), facts.lora.get("targets")
    named = targets if isinstance(targets, list) else [targets]
    beside = ", ".join(text(name) for name in named if text(name))
    size = f", {share(trained / total)} as many" if trained is not None and total else ""
    kind = "rank-stabilized low-rank matrices" if facts.lora.get("rank_stabilized") is True else "low-rank matrices"
    return f"{kind}{'' if rank is None else f' of rank {count(rank)}'}{f' beside {beside}' if beside else ''}{size}"
