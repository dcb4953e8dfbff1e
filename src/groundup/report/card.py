"""`write_card`: the model card (README.md) in the Hugging Face Hub's format, every number read from the run's files.

The Hub reads the YAML at its head: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundup.model.settings import PRESETS
from groundup.report.facts import RunFacts, Sample, Validation, read_run
from groundup.report.pages import count, duration, escaped, markdown_templates
from groundup.report.tables import LONGEST_LIST, data_notes, hash_rows, machine_rows, parameter_rows, split_rows
from groundup.report.values import number, section, text, whole
from groundup.run.files import write_atomic

CARD_FILE = "README.md"

NOT_MEASURED = (
    "Not measured: bias, stereotypes and toxicity of what it writes.",
    "Not measured: memorization. It may repeat its training text word for word, personal data included.",
    "Not measured: the truth of what it writes, and any benchmark, downstream task or text unlike its training text.",
)


def write_card(run: Path, directory: Path) -> Path:
    """Write the model card of a run into a model's directory, as README.md, and return its path.

    Raises `RunError` when `run` isn't a run.
    """
    path = directory / CARD_FILE
    write_atomic(path, render_card(read_run(run)))
    return path


def render_card(facts: RunFacts) -> str:
    """The card's text: YAML between two lines of `---`, then Markdown."""
    sample = facts.final_sample or (facts.samples[-1] if facts.samples else None)
    prompt = example_prompt(facts, sample)
    vocab_size = facts.vocab_size
    page = (
        markdown_templates()
        .get_template("card.md.j2")
        .render(
            facts=facts,
            metadata=yaml_lines(metadata(facts)),
            opening=opening(facts),
            best=facts.best,
            guessing=math.log(vocab_size) if vocab_size else None,
            stock=is_stock(facts),
            max_new_tokens=min(200, max((whole(facts.config.get("max_seq_len")) or 200) // 2, 1)),
            python_prompt=json.dumps(prompt, ensure_ascii=False),
            shell_prompt=shlex.quote(prompt),
            sample=sample,
            split=split_rows(facts.data),
            data_notes=data_notes(facts.data),
            training=how_trained(facts),
            parts=parameter_rows(facts),
            limits=limits(facts),
            machine=machine_rows(facts.manifest),
            hashes=hash_rows(facts),
            longest=LONGEST_LIST,
        )
    )
    return page.rstrip("\n") + "\n"


def is_stock(facts: RunFacts) -> bool:
    """Whether a class of transformers opens the model: every preset but the classic one is such a family's layout."""
    return facts.family in PRESETS and facts.family != "classic"


def metadata(facts: RunFacts) -> dict[str, Any]:
    """The card's YAML head. The weights' license is nobody's to state but the publisher's; no language is guessed."""
    head: dict[str, Any] = {
        "license": "unknown",
        "library_name": "transformers" if is_stock(facts) else "groundup",
        "pipeline_tag": "text-generation",
        "tags": ["groundup", *([facts.family] if facts.family else [])],
    }
    metrics = measured(facts.best)
    if metrics:
        head["model-index"] = [{"name": facts.name or "model", "results": [evaluation(facts, metrics)]}]
    return head


def measured(best: Validation | None) -> list[dict[str, Any]]:
    """The measured figures as the Hub's metrics; what wasn't measured is left out."""
    if best is None:
        return []
    named = (
        ("loss", "Validation loss (nats per token)", best.loss),
        ("perplexity", "Perplexity (per token)", best.perplexity),
        ("bits_per_byte", "Bits per byte", best.bits_per_byte),
    )
    return [{"type": kind, "value": value, "name": name} for kind, name, value in named if value is not None]


def evaluation(facts: RunFacts, metrics: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One result of the model index: the task, the held-out text, the metrics."""
    names = [source.name for source in facts.sources if source.name]
    dataset: dict[str, Any] = {
        "name": ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") or "validation text",
        "type": "text",
        "split": "validation",
    }
    best = facts.best
    counts = {} if best is None else {"tokens": best.tokens, "bytes": best.bytes, "window": best.window}
    known = {key: value for key, value in counts.items() if value is not None}
    if known:
        dataset["args"] = known
    return {
        "task": {"type": "text-generation", "name": "Text generation"},
        "dataset": dataset,
        "metrics": list(metrics),
    }


def opening(facts: RunFacts) -> str:
    """What it is, in one sentence."""
    config = facts.config
    shape = [
        f"{count(number(config.get(key)))} {name}{'' if number(config.get(key)) == 1 else 's'}"
        for key, name in (("num_layers", "layer"), ("num_heads", "head"))
        if number(config.get(key)) is not None
    ]
    shape += [
        f"`{key}` {count(number(config[key]))}" for key in ("d_model", "d_ff") if number(config.get(key)) is not None
    ]
    if number(config.get("max_seq_len")) is not None:
        shape.append(f"a context of {count(number(config['max_seq_len']))} tokens")
    if facts.vocab_size:
        shape.append(f"a vocabulary of {count(facts.vocab_size)} tokens")
    size = f" with {count(facts.total_parameters)} parameters" if facts.total_parameters else ""
    layout = f" in the {escaped(facts.family)} layout" if facts.family else ""
    return f"A decoder-only transformer{size}{layout}{': ' if shape else ''}{', '.join(shape)}. Trained with Groundup."


def how_trained(facts: RunFacts) -> str:
    """Steps, tokens, time and the settings that matter most, as sentences."""
    training = section(facts.recipe, "training")
    done = [f"{count(facts.steps)} optimizer step{'' if facts.steps == 1 else 's'}"]
    if facts.tokens is not None:
        done.append(f"{count(facts.tokens)} training tokens")
    if facts.seconds is not None:
        done.append(duration(facts.seconds))
    sentences = [", ".join(done) + "."]
    if text(training.get("optimizer")):
        settings = [f"Optimizer {escaped(training['optimizer'])}"]
        of_muon = text(training["optimizer"]) == "muon"
        shown = [(key, name) for key, name in _SETTINGS if key != "matrix_learning_rate" or of_muon]
        settings += [f"{name} {training[key]}" for key, name in shown if number(training.get(key)) is not None]
        sentences.append(f"{', '.join(settings)}.")
    because = {"max_steps": "it had taken all its steps", "patience": "the validation loss no longer fell"}
    reason = text(facts.result.get("stopped_because"))
    if reason in because:
        sentences.append(f"It ended because {because[reason]}.")
    resumed = sum(event.event == "resumed" for event in facts.events)
    if resumed:
        sentences.append(f"It was interrupted and resumed {resumed} time{'' if resumed == 1 else 's'}.")
    return " ".join(sentences)


_SETTINGS = (
    ("learning_rate", "learning rate"),
    ("matrix_learning_rate", "for the blocks' matrices"),
    ("batch_size", "batch size"),
    ("weight_decay", "weight decay"),
    ("seed", "seed"),
)


def limits(facts: RunFacts) -> list[str]:
    """What the model is not, and what nobody has looked at."""
    found = []
    size = facts.total_parameters
    if size is not None and size < 100_000_000:
        found.append(
            f"It is a small model ({count(size)} parameters): it imitates the form of its training text, "
            "and nothing it says is to be taken for a fact."
        )
    if section(facts.recipe, "training").get("objective") == "language_model":
        found.append(
            "It continues text. It was not trained to follow instructions, to answer questions "
            "or to refuse harmful requests."
        )
    if number(facts.config.get("max_seq_len")) is not None:
        found.append(f"It sees {count(number(facts.config['max_seq_len']))} tokens at once and nothing before them.")
    tokenizer = section(facts.data, "tokenizer")
    if tokenizer.get("kind") == "character" and tokenizer.get("byte_fallback") is False:
        found.append("Characters that its training text doesn't have become one `<|unk|>` token.")
    if facts.best is not None and facts.best.loss is not None:
        found.append("Its figures are for held-out parts of the same sources; other text will fare worse.")
    return [*found, *NOT_MEASURED]


def example_prompt(facts: RunFacts, sample: Sample | None) -> str:
    """A first line to try: the run's own prompt, or else how its last sample begins."""
    candidates = [
        text(section(facts.recipe, "training").get("sample_prompt")),
        sample.prompt if sample else "",
        sample.text if sample else "",
    ]
    lines = [line.strip() for candidate in candidates for line in candidate.splitlines() if re.search(r"\w{2}", line)]
    return lines[0][:40].strip() if lines else "The"


def yaml_lines(value: object, indent: int = 0) -> str:
    """Nested dictionaries and lists as YAML. Texts are double-quoted, so that none is taken for anything else."""
    margin = " " * indent
    if isinstance(value, dict):
        return "".join(f"{margin}{key}:{_yaml_nested(item, indent)}" for key, item in value.items())
    if isinstance(value, list):
        return "".join(f"{margin}- {_yaml_nested(item, indent).lstrip()}" for item in value)
    raise TypeError(f"{value!r} is neither a mapping nor a list")


def _yaml_nested(item: object, indent: int) -> str:
    if isinstance(item, dict | list) and item:
        return "\n" + yaml_lines(item, indent + 2)
    return f" {_yaml_scalar(item)}\n"  # {} and [] are JSON's and YAML's


def _yaml_scalar(value: object) -> str:
    if isinstance(value, str):
        # JSON's quoting is YAML's, but for the line breaks that only YAML knows.
        return re.sub(
            "[\u0085\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", json.dumps(value, ensure_ascii=False)
        )
    written = json.dumps(value, allow_nan=False)
    return re.sub(r"^(-?\d+)e", r"\1.0e", written)  # YAML 1.1 reads 1e-05 as text, 1.0e-05 as a number
