"""The limits that a model card tells: what the training did not teach, and what nobody has measured."""

from __future__ import annotations

from collections.abc import Collection

from groundup.report.facts import RunFacts
from groundup.report.pages import count
from groundup.report.values import number, section, whole

SMALL = 100_000_000  # parameters, below which hardly anything is known


def limits(facts: RunFacts, audits: Collection[str] = (), evaluated: bool = False) -> list[str]:
    """What the model is not, and what nobody has looked at; `audits` are the names of those that were done, and `evaluated` says that
    there are other evaluations than the one that ends a training."""
    size, context, longest = facts.total_parameters, number(facts.config.get("max_seq_len")), _longest_row(facts)
    found = [_of_its_kind(facts)]
    if size is not None and size < SMALL:
        found.insert(
            0,
            f"It is a small model ({count(size)} parameters): it imitates the form of its training text, "
            "and nothing it says is to be taken for a fact.",
        )
    if context is not None:
        found.append(f"It sees {count(context)} tokens at once and nothing before them.")
    if facts.base and context is not None and longest is not None and longest < context:
        found.append(
            f"It was tuned on at most {count(longest)} tokens at once; what it does with more, only its base has learned."
        )
    tokenizer = section(facts.data, "tokenizer")
    if tokenizer.get("kind") == "character" and tokenizer.get("byte_fallback") is False:
        found.append("Characters that its training text doesn't have become one `<|unk|>` token.")
    if facts.best is not None and facts.best.loss is not None:
        same = not section(facts.recipe, "data").get("validation_source")
        where = "held-out parts of the same sources" if same else "the source that was held out"
        found.append(f"Its figures are for {where}; other text will fare worse.")
    of_base = ", or its base's," if facts.base else ""
    return [
        *(sentence for sentence in found if sentence),
        *_not_audited(audits, of_base),
        "Not measured: the truth of what it writes, and any benchmark, downstream task or text"
        f"{' but those in the section on evaluation' if evaluated else ' unlike its training text'}.",
    ]


def _not_audited(audits: Collection[str], of_base: str) -> list[str]:
    unknown = [name for name, of in (("bias", "bias"), ("toxicity", "toxicity")) if of not in audits]
    found = [f"Not measured: {' and '.join(unknown)} of what it writes."] if unknown else []
    if not {"extraction", "canaries", "membership"} & set(audits):
        found.append(
            f"Not measured: memorization. It may repeat its training text{of_base} word for word, personal data included."
        )
    return found


def _of_its_kind(facts: RunFacts) -> str:
    """What the objective did not teach; empty where we don't know of one."""
    examples = number(section(facts.data, "documents").get("train"))
    so_many = f"{count(examples)} " if examples else "the "
    if facts.objective == "instruction":
        return (
            f"It learned from {so_many}training rows what an answer looks like and where it ends, not whether it is true: an answer "
            "in the right form may be wrong. It was not taught to refuse harmful requests, unless a row does."
        )
    if facts.objective == "preference":
        return (
            f"It learned from {so_many}training pairs which of two answers was chosen, by whoever chose; of other questions, and of "
            "whether its answers are true or harmless, the pairs say nothing."
        )
    if section(facts.recipe, "training").get("objective") != "language_model":
        return ""
    if facts.base:
        return (
            "This training taught it to continue texts, no more. What its base could do besides, such as following instructions or "
            "writing of other subjects, it may have lost in part: that was not measured."
        )
    return (
        "It continues text. It was not trained to follow instructions, to answer questions "
        "or to refuse harmful requests."
    )


def _longest_row(facts: RunFacts) -> int | None:
    return whole(section(facts.recipe, "model").get("max_seq_len"))
