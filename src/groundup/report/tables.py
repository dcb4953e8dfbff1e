"""Rows of the tables that the report and the model card show; no wording beyond names and values, no layout."""

from __future__ import annotations

from itertools import groupby
from typing import Any

from groundup.report.facts import Event, RunFacts
from groundup.report.pages import count, figure, quoted, share, size
from groundup.report.values import listing, number, section, text, whole

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
    rows += [(key, plain_value(value)) for key, value in facts.config.items() if key != "preset"]
    flops = whole(facts.model.get("training_flops_per_token"))
    return [*rows, ("training FLOPs per token", count(flops))] if flops else rows


def recipe_rows(recipe: dict[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """The recipe's sections with their keys and values."""
    return [
        (name, [(key, plain_value(value)) for key, value in values.items()])
        for name, values in recipe.items()
        if isinstance(values, dict)
    ]


def split_rows(data: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The training and validation text side by side: what is counted, and both counts."""
    rows = []
    for key, name in (
        ("documents", "documents"),
        ("bytes", "bytes"),
        ("characters", "characters"),
        ("tokens", "tokens"),
        ("unknown_tokens", "unknown tokens"),
    ):
        counts = section(data, key)
        if counts:
            rows.append((name, count(number(counts.get("train"))), count(number(counts.get("validation")))))
    return rows


def data_notes(data: dict[str, Any]) -> list[tuple[str, str]]:
    """How the text was split and made into tokens, what was mended in it, and what was dropped."""
    tokenizer, rows = section(data, "tokenizer"), []
    if tokenizer:
        details = [", bytes for other characters"] if tokenizer.get("byte_fallback") is True else []
        details += [f", pieces as {tokenizer['pre_tokenizer']}'s"] if tokenizer.get("pre_tokenizer") else []
        size = f"{count(number(tokenizer.get('vocab_size')))} tokens"
        rows.append(("tokenizer", f"{tokenizer.get('kind')}, {size}{''.join(details)}"))
    if data.get("split"):
        rows.append(("split by", f"{data['split']}, {share(number(data.get('validation_fraction')))} for validation"))
    rows += _step_notes(section(data, "steps"))
    rows += _plan_notes(data)
    held_out = [str(name) for name in listing(data, "validation_documents")]
    if held_out:
        rows.append(("held out", _shortened(held_out)))
    unknown = [f"{name} × {count(number(times))}" for name, times in section(data, "unknown_pieces").items()]
    if unknown:
        kind = "characters" if tokenizer.get("kind") == "character" else "words"
        rows.append((f"unknown {kind}", _shortened(unknown)))
    return rows + [(f"repairs: {name}", count(number(times))) for name, times in section(data, "repairs").items()]


def _step_notes(steps: dict[str, Any]) -> list[tuple[str, str]]:
    """How many documents were dropped and changed before training, by the reason."""
    names = {
        "dropped": f"dropped, of {count(number(steps.get('read')))} documents",
        "changed": "documents changed",
        "personal_data": "personal data replaced",
    }
    return [
        (name, _shortened([f"{reason} {count(number(times))}" for reason, times in section(steps, key).items()]))
        for key, name in names.items()
        if section(steps, key)
    ]


def _plan_notes(data: dict[str, Any]) -> list[tuple[str, str]]:
    """How rows were packed and mixed, where it isn't as the text lies there."""
    rows = []
    if packing := section(data, "packing"):
        padding, cut = share(number(packing.get("padding_share"))), share(number(packing.get("cut_documents_share")))
        rows.append(("packing", f"best fit, {padding} padding, {cut} of the documents cut"))
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
    for name, group in groupby(facts.events, key=lambda event: event.event):
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


def hash_rows(facts: RunFacts) -> list[tuple[str, list[tuple[str, str]]]]:
    """SHA-256 of each link from the text to the weights, in that order: stage, then names and hashes."""
    hashes = section(facts.manifest, "hashes")
    stages = [
        ("archives", [(source.name, source.archive_sha256) for source in facts.sources]),
        ("sources", [(source.name, source.sha256) for source in facts.sources]),
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
