"""Rows of the tables that the report and the model card show; no wording beyond names and values, no layout."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from groundup.report.facts import RunFacts
from groundup.report.pages import count, duration, figure, quoted, share, size
from groundup.report.points import Event
from groundup.report.values import listing, number, section, text, whole
from groundup.report.wording import words

OF_THE_RECIPE = ("base", "max_seq_len", "dropout")
"""What the [model] section decides where there is a base."""
LONGEST_LIST = 60  # rows of a table; the rest is in the run's files


def parameter_rows(facts: RunFacts) -> list[dict[str, Any]]:
    """The network's parts: name, parameters, share of all of them."""
    total = sum(facts.parameters.values())
    return [
        {"name": part.replace("_", " "), "count": number_of, "share": number_of / total}
        for part, number_of in sorted(facts.parameters.items(), key=lambda item: -item[1])
    ]


def network_shape(facts: RunFacts) -> list[tuple[str, str]]:
    """The network's configuration as names and values, the family first."""
    rows = [("family", facts.family)] if facts.family else []
    rows += [row for key, value in facts.config.items() if key != "preset" for row in _setting_rows(key, value)]
    flops = whole(facts.model.get("training_flops_per_token"))
    return [*rows, ("training FLOPs per token", count(flops))] if flops else rows


def _setting_rows(key: str, value: object) -> list[tuple[str, str]]:
    """A setting as a row, or one of several settings as a row each; of those that are as usual only that they are."""
    if not isinstance(value, dict):
        return [(key, plain_value(value))]
    if value.get("type") == "default":
        return [(key, plain_value("default"))]
    return [(f"{key}.{name}", plain_value(inner)) for name, inner in value.items()]


def used_settings(facts: RunFacts) -> dict[str, Any]:
    """The recipe without what says nothing of this run: a network and a tokenizer that a base decides, settings of what wasn't done."""
    recipe = dict(facts.recipe)
    if facts.base is not None:
        recipe.pop("tokenizer", None)
        recipe["model"] = {name: value for name, value in section(recipe, "model").items() if name in OF_THE_RECIPE}
    unused = {
        name
        for name, used in (("lora", facts.lora is not None), ("preference", facts.objective == "preference"))
        if not used
    }
    if number(facts.training_settings.get("epochs")):
        unused.add("max_steps")
    data = section(recipe, "data")
    if not number(section(data, "canaries").get("count")) and "canaries" in data:
        recipe["data"] = {name: value for name, value in data.items() if name != "canaries"}
    if "training" in recipe:
        recipe["training"] = {name: value for name, value in facts.training_settings.items() if name not in unused}
    return recipe


def recipe_rows(recipe: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The recipe's sections with their keys and values, each section within another behind it."""
    sections: list[tuple[str, list[tuple[str, str]]]] = []
    for name, values in recipe.items():
        if isinstance(values, dict):
            own = {key: value for key, value in values.items() if not isinstance(value, dict)}
            inner = {f"{name}.{key}": value for key, value in values.items() if isinstance(value, dict)}
            if own:
                sections.append((name, [(key, plain_value(value)) for key, value in own.items()]))
            sections += recipe_rows(inner)
    return sections


def split_rows(facts: RunFacts) -> list[tuple[str, str, str]]:
    """The training and validation data side by side: what is counted, and both counts."""
    data, labels, said = facts.data, facts.labels, words(facts)
    nothing = any(map(number, section(labels, "teach_nothing").values()))
    counted = (
        (data, "documents", said.examples),
        (data, "bytes", said.data_bytes),
        (data, "characters", "characters"),
        (data, "tokens", "tokens"),
        (labels, "learned_tokens", "tokens that carry loss"),
        (labels, "stop_learned", f"{said.examples} that teach where an answer ends"),
        *([(labels, "teach_nothing", f"{said.examples} that teach nothing, left out")] if nothing else []),
        (data, "unknown_tokens", "unknown tokens"),
    )
    both = [(name, section(where, key)) for where, key, name in counted]
    return [
        (name, count(number(counts.get("train"))), count(number(counts.get("validation"))))
        for name, counts in both
        if counts
    ]


def data_notes(facts: RunFacts) -> list[tuple[str, str]]:
    """How the data was split and made into tokens, what was mended in it, and what was dropped."""
    data, said = facts.data, words(facts)
    tokenizer, rows = section(data, "tokenizer"), []
    if tokenizer:
        details = [", bytes for other characters"] if tokenizer.get("byte_fallback") is True else []
        details += [f", pieces as {tokenizer['pre_tokenizer']}'s"] if tokenizer.get("pre_tokenizer") else []
        size = f"{count(number(tokenizer.get('vocab_size')))} tokens"
        kind = "the base's" if facts.base else tokenizer.get("kind")
        rows.append(("tokenizer", f"{kind}, {size}{''.join(details)}"))
    rows += _label_notes(facts.labels, said.examples)
    if section(facts.recipe, "data").get("validation_source"):
        rows.append(("held out", "a source of its own"))
    elif data.get("split"):
        rows.append(("split by", f"{data['split']}, {share(number(data.get('validation_fraction')))} for validation"))
    rows += _step_notes(section(data, "steps"), said.examples)
    rows += _plan_notes(data, said.examples)
    held_out = [str(name) for name in listing(data, "validation_documents")]
    if held_out:
        rows.append(("held out", _shortened(held_out)))
    unknown = [f"{name} × {count(number(times))}" for name, times in section(data, "unknown_pieces").items()]
    if unknown:
        kind = "characters" if tokenizer.get("kind") == "character" else "words"
        rows.append((f"unknown {kind}", _shortened(unknown)))
    return rows + [(f"repairs: {name}", count(number(times))) for name, times in section(data, "repairs").items()]


def _label_notes(labels: dict[str, Any], examples: str) -> list[tuple[str, str]]:
    """In which form rows are read, what ends an answer, and which prompts are on both sides."""
    rows = []
    if name := text(section(labels, "template").get("name")):
        rows.append(("chat template", "the tokenizer's own" if name == "auto" else name))
    if stop := text(labels.get("stop")):
        rows.append(("an answer ends with", stop))
    if cropped := whole(section(labels, "cropped").get("tokens")):
        rows.append(("tokens left out with later exchanges", count(cropped)))
    if shared := whole(labels.get("shared_prompts")):
        rows.append(
            ("prompts on both sides", f"{shared:,} of the held-out {examples} have a prompt that is trained on, too")
        )
    return rows


def _step_notes(steps: dict[str, Any], examples: str) -> list[tuple[str, str]]:
    """How many documents, rows or pairs were dropped and changed before training, by the reason."""
    names = {
        "dropped": f"dropped, of {count(number(steps.get('read')))} {examples}",
        "changed": f"{examples} changed",
        "personal_data": "personal data replaced",
    }
    return [
        (name, _shortened([f"{reason} {count(number(times))}" for reason, times in section(steps, key).items()]))
        for key, name in names.items()
        if section(steps, key)
    ]


def _plan_notes(data: dict[str, Any], examples: str) -> list[tuple[str, str]]:
    """How rows were packed and mixed, where it isn't as the text lies there."""
    rows = []
    if packing := section(data, "packing"):
        padding = share(number(packing.get("padding_share")))
        cut = (
            f", {share(number(packing.get('cut_documents_share')))} of the documents cut"
            if examples == "documents"
            else ""
        )
        how = "best fit"
        if packing.get("kind") == "documents":
            how = "each by itself, by length" if examples != "documents" else "a row for each document, by length"
        rows.append(("packing", f"{how}, {padding} padding{cut}"))
    if mixture := section(data, "mixture"):
        groups = section(mixture, "groups")
        shares = [f"{name} {share(number(section(groups, name).get('share')))}" for name in groups]
        rows.append((f"mixed by {mixture.get('by')}", _shortened(shares)))
    if middle := section(data, "fill_in_the_middle"):
        rows.append(("fill-in-the-middle", f"{share(number(middle.get('rate')))} of the training documents"))
    return rows


def _shortened(items: list[str]) -> str:
    more = f" and {len(items) - LONGEST_LIST:,} more" if len(items) > LONGEST_LIST else ""
    return ", ".join(items[:LONGEST_LIST]) + more


def event_rows(facts: RunFacts) -> list[dict[str, Any]]:
    """The run's history; checkpoints saved one after the other share a row, and a very long history loses its middle."""
    rows: list[dict[str, Any]] = []
    shown = [event for event in facts.events if event.event != "spent"]  # what was saved, the next event, tells of it
    for name, group in groupby(shown, key=lambda event: event.event):
        events = list(group)
        if name == "saved" and len(events) > 2:
            first = "" if events[0].step is None else f", the first at step {events[0].step:,}"
            rows.append(_event_row(events[-1], f"{len(events):,} checkpoints{first}"))
        else:
            rows += [_event_row(event, _why(event)) for event in events]
    left_out = len(rows) - LONGEST_LIST
    if left_out <= 0:
        return rows
    gap = {"time": "…", "event": f"{left_out:,} more in events.jsonl", "step": None, "why": "", "bad": False}
    return [*rows[: LONGEST_LIST // 3], gap, *rows[-(LONGEST_LIST - LONGEST_LIST // 3) :]]


def _event_row(event: Event, why: str) -> dict[str, Any]:
    return {
        "time": event.time.replace("T", " ").removesuffix("+00:00"),
        "event": event.event.replace("_", " "),
        "step": event.step,
        "why": why,
        "bad": event.event in ("damaged", "skipped_spike", "warning"),
    }


def _why(event: Event) -> str:
    details = (f"{key} {plain_value(value)}" for key, value in event.details.items())
    return "; ".join([*([event.why] if event.why else []), *details])


def machine_rows(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """The machine, the software and the settings that decide what the same recipe gives again."""
    rows = []
    for key, value in section(manifest, "machine").items():
        name = key.removesuffix("_bytes").replace("_", " ")
        rows.append((name, size(number(value)) if key.endswith("_bytes") else str(value)))
    peak = number(manifest.get("matmul_flops_per_second"))
    if peak is not None:
        rows.append(("matrix products", f"{figure(peak / 1e9, 3)} GFLOP/s, measured"))
    for key in ("num_threads", "precision", "seed", "created", "parent_run"):
        if manifest.get(key) is not None:
            rows.append((key.replace("_", " "), str(manifest[key])))
    if manifest.get("groundup_version") is not None:
        rows.append(("groundup", str(manifest["groundup_version"])))
    return rows + [(name, str(version)) for name, version in section(manifest, "libraries").items()]


def plan_rows(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """What the training was expected to take, beside what it took."""
    plan = section(manifest, "plan")
    promise, outcome = section(plan, "promise"), section(plan, "outcome")
    rows = []
    for key, name, shown in (("seconds", "time, all in all", duration), ("bytes", "memory, at most", size)):
        expected, took = number(promise.get(key)), number(outcome.get(key))
        if expected is not None or took is not None:
            told = f"{shown(expected)} expected" + (f", {shown(took)} taken" if took is not None else "")
            when = whole(promise.get("after_steps")) if key == "seconds" else None
            rows.append((name, told + (f" (told at step {count(when)})" if when else "")))
    return rows


def hash_rows(facts: RunFacts) -> list[tuple[str, list[tuple[str, str]]]]:
    """SHA-256 of each link from the text to the weights, in that order: stage, then names and hashes."""
    hashes = section(facts.manifest, "hashes")
    stages = [
        ("archives", [(source.name, source.archive_sha256) for source in facts.sources]),
        ("sources", [(source.name, source.sha256) for source in facts.sources]),
        ("base", [(facts.base.name, facts.base.sha256)] if facts.base else []),
        ("tokenizer", [("tokenizer", text(hashes.get("tokenizer")))]),
        (
            "token files",
            [
                (name.replace("_", " "), text(hashes.get(name)))
                for name in ("train_tokens", "validation_tokens", "plan")
            ],
        ),
        ("recipe", [("recipe", text(hashes.get("recipe")))]),
        ("checkpoints", [(name, text(value)) for name, value in section(facts.manifest, "checkpoints").items()]),
    ]
    known = ((stage, [(name, value) for name, value in rows if value]) for stage, rows in stages)
    return [(stage, rows) for stage, rows in known if rows]


def plain_value(value: object) -> str:
    """A setting's value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return f"[{', '.join(plain_value(item) for item in value)}]"
    return quoted(value) if isinstance(value, str) else str(value)
