"""`write_card`: the model card (README.md) in the Hugging Face Hub's format, every number read from the run's files.

The Hub reads the YAML at its head: https://github.com/huggingface/hub-docs/blob/main/modelcard.md
"""

from __future__ import annotations

import itertools
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from groundup.errors import RunError
from groundup.files import sha256_text
from groundup.model.settings import PRESETS
from groundup.report.compute import compute_rows
from groundup.report.evidence import EVIDENCE_FOLDER, Evidence, privacy_spent, read_evidence
from groundup.report.facts import RunFacts, read_run
from groundup.report.limits import limits
from groundup.report.pages import code, count, duration, escaped, figure, markdown_templates, share
from groundup.report.points import Sample, Validation
from groundup.report.tables import LONGEST_LIST, data_notes, hash_rows, machine_rows, parameter_rows, split_rows
from groundup.report.uses import foreseeable_misuse, intended_uses
from groundup.report.values import number, section, text, whole
from groundup.report.wording import (
    NO_PREFERENCE,
    below_prompt,
    starting_level,
    what_carries_loss,
    what_was_trained,
    words,
)
from groundup.report.yaml_text import yaml_lines
from groundup.run.directory import RunDirectory
from groundup.run.files import explain_os_errors, write_atomic
from groundup.text.remote import HUB_NAME
from groundup.tokens.tokenizer import CONFIG_FILE

CARD_FILE, EDITED_FILE = "README.md", "README.edited.md"
MARK = "<!-- written by groundup card; SHA-256 of the text above: "
CHAT_PROMPT = "What is the capital of France?"


def write_card(run: Path, directory: Path) -> Path:
    """Write the model card of a run into a model's directory, as README.md, and return its path. One that somebody has edited is
    kept, as README.edited.md.

    Raises `RunError` when `run` isn't a run.
    """
    path, notes = directory / CARD_FILE, list[str]()
    evidence = read_evidence(run, notes)
    written = render_card(read_run(run), _has_chat_template(directory), evidence, notes, _seal(run))
    if path.exists() and not is_as_written(path):
        with explain_os_errors(path):
            path.rename(_free_name(directory / EDITED_FILE))
    write_atomic(path, f"{written}\n{MARK}{sha256_text(written)} -->\n")
    return path


def is_as_written(path: Path) -> bool:
    """Whether nobody has edited a card since it was written."""
    above, _, mark = path.read_text(encoding="utf-8", errors="replace").rpartition(f"\n{MARK}")
    return mark == f"{sha256_text(above)} -->\n"


def named_evidence(path: Path) -> set[str]:
    """The files that a card says its figures come from, by their place in the folder of evidence; none of a card that isn't there."""
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    return set(re.findall(rf"\]\({EVIDENCE_FOLDER}/([^)]+)\)", text))


def _free_name(path: Path) -> Path:
    """The path, or with a number behind it where something lies there already."""
    numbered = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in itertools.count(2))
    return next(name for name in itertools.chain([path], numbered) if not name.exists())


def _seal(run: Path) -> str:
    """The hash of the whole chain; of a run whose files are damaged none."""
    try:
        return RunDirectory(run).seal()
    except RunError:
        return ""


def render_card(
    facts: RunFacts, chat: bool = False, evidence: Sequence[Evidence] = (), notes: Sequence[str] = (), seal: str = ""
) -> str:
    """The card's text: YAML between two lines of `---`, then Markdown. `chat`: its tokenizer has a chat template. `notes`: what
    of the measurements could not be read."""
    sample = facts.final_sample or (facts.samples[-1] if facts.samples else None)
    answers = chat and facts.answers
    prompt = example_prompt(facts, sample)
    level = starting_level(facts)
    evaluations = [one for one in evidence if one.kind == "evaluations"]
    page = (
        markdown_templates()
        .get_template("card.md.j2")
        .render(
            facts=facts,
            metadata=yaml_lines(metadata(facts)),
            opening=opening(facts),
            best=facts.best,
            words=words(facts),
            rows=figure_rows(facts),
            guessing=level[0] if level and not facts.base else None,
            before=facts.before,
            after=facts.best_in_training,
            no_preference=NO_PREFERENCE,
            chat=chat,
            answers=answers,
            stock=is_stock(facts),
            max_new_tokens=min(200, max((whole(facts.config.get("max_seq_len")) or 200) // 2, 1)),
            python_prompt=json.dumps(prompt, ensure_ascii=False),
            shell_prompt=shlex.quote(prompt),
            sample=sample,
            written=sample.prompt + below_prompt(facts, sample) if sample else "",
            split=split_rows(facts),
            data_notes=data_notes(facts),
            training=how_trained(facts),
            parts=parameter_rows(facts),
            limits=limits(facts, {one.name for one in evidence if one.kind == "audits"}, bool(evaluations)),
            uses=intended_uses(facts),
            misuse=foreseeable_misuse(facts),
            evaluations=evaluations,
            audits=[one for one in evidence if one.kind == "audits"],
            notes=notes,
            compute=compute_rows(facts),
            privacy=privacy_spent(facts),
            seal=seal,
            machine=machine_rows(facts.manifest),
            hashes=hash_rows(facts),
            longest=LONGEST_LIST,
        )
    )
    return page.rstrip("\n") + "\n"


def _has_chat_template(directory: Path) -> bool:
    """Whether the tokenizer there knows how conversations are written."""
    try:
        config = json.loads((directory / CONFIG_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(config, dict) and bool(text(config.get("chat_template")).strip())


def is_stock(facts: RunFacts) -> bool:
    """Whether a class of transformers opens the model: every preset but the classic one is such a family's layout."""
    return facts.family in PRESETS and facts.family != "classic"


def metadata(facts: RunFacts) -> dict[str, Any]:
    """The card's YAML head. The weights' license is nobody's to state but the publisher's; no language is guessed.

    A base is named if it is a model of the Hub; so says the Hub's own reader, which takes no other names.
    """
    how = {"instruction": ["sft"], "preference": ["dpo"]}.get(facts.objective, [])
    lora = ["lora"] if facts.lora is not None else []
    head: dict[str, Any] = {"license": "unknown"}
    if facts.base and HUB_NAME.fullmatch(facts.base.hub_id):
        head["base_model"] = facts.base.hub_id
    head |= {
        "library_name": "transformers" if is_stock(facts) else "groundup",
        "pipeline_tag": "text-generation",
        "tags": ["groundup", *([facts.family] if facts.family else []), *how, *lora],
    }
    metrics = measured(facts.best)
    if metrics:
        head["model-index"] = [{"name": facts.name or "model", "results": [evaluation(facts, metrics)]}]
    return head


def measured(best: Validation | None) -> list[dict[str, Any]]:
    """The measured figures as the Hub's metrics; what wasn't measured is left out."""
    if best is None:
        return []
    of_pairs = best.pairs is not None or best.margin is not None
    named = (
        ("loss", f"Validation loss (nats per {'pair' if of_pairs else 'token'})", best.loss),
        ("perplexity", "Perplexity (per token)", best.perplexity),
        ("bits_per_byte", "Bits per byte", best.bits_per_byte),
        ("accuracy", "Accuracy of rewards", best.accuracy),
        ("margin", "Margin of rewards (nats)", best.margin),
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
    counted = ("pairs", "tokens", "bytes", "window")
    counts = {} if best is None else {name: getattr(best, name) for name in counted}
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
    made = "Trained with Groundup."
    if facts.base is not None:
        purpose = {"instruction": ", to answer", "preference": ", to prefer some answers to others"}
        made = f"Tuned with Groundup from {code(facts.base.name)}{purpose.get(facts.objective, '')}."
    return f"A decoder-only transformer{size}{layout}{': ' if shape else ''}{', '.join(shape)}. {made}"


def figure_rows(facts: RunFacts) -> list[tuple[str, str, str]]:
    """The table of figures: what, how much, and what that is. Those of its kind stay even where they weren't measured."""
    best, said = facts.best, words(facts)
    if best is None:
        return []
    rows = [("Validation loss", figure(best.loss), said.loss_unit)]
    if facts.objective == "preference":
        rows += [
            ("Accuracy", share(best.accuracy), "of the pairs: the chosen answer gained more; 50 % is chance"),
            ("Margin", figure(best.margin), "nats, by which the chosen answers gained more"),
            ("Chosen reward", figure(best.chosen_reward), "nats: β times the gain in likelihood since before tuning"),
            ("Rejected reward", figure(best.rejected_reward), "nats, the same of the rejected answers"),
            ("Pairs scored", count(best.pairs), ""),
        ]
    else:
        rows += [
            ("Perplexity", figure(best.perplexity), "per token"),
            ("Bits per byte", figure(best.bits_per_byte), "comparable across tokenizers"),
        ]
    rows.append(("Tokens scored", count(best.tokens), said.tokens if facts.answers else ""))
    if best.bytes is not None:
        rows.append(("Bytes scored", count(best.bytes), ""))
    if best.window is not None:
        rows.append(("Longest row" if facts.answers else "Window", count(best.window), said.window))
    return rows


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
    sentences += [sentence for sentence in (what_carries_loss(facts), _which_weights(facts)) if sentence]
    because = {
        "max_steps": "it had taken all its steps",
        "patience": "the validation loss no longer fell",
        "privacy_budget": "its privacy budget was spent",
    }
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


def _which_weights(facts: RunFacts) -> str:
    """Which weights changed when a model was tuned."""
    if facts.lora is None:
        return "All weights were trained." if facts.base and what_was_trained(facts) else ""
    told = ((name, number(facts.lora.get(name))) for name in ("alpha", "dropout"))
    settings = ", ".join(f"{name} {value:g}" for name, value in told if value is not None)
    return (
        f"{count(facts.trained_parameters)} parameters were trained: {escaped(what_was_trained(facts))}"
        f"{f' ({settings})' if settings else ''}. Here they are merged into the weights."
    )


def example_prompt(facts: RunFacts, sample: Sample | None) -> str:
    """A first line to try: the run's own prompt, or else how its last sample begins; of answers a question that anyone may ask."""
    candidates = [
        text(section(facts.recipe, "training").get("sample_prompt")),
        *([CHAT_PROMPT] if facts.answers else []),  # the sample's prompt is written in the chat template
        sample.prompt if sample else "",
        sample.text if sample else "",
    ]
    lines = [line.strip() for candidate in candidates for line in candidate.splitlines() if re.search(r"\w{2}", line)]
    return lines[0][:40].strip() if lines else "The"
