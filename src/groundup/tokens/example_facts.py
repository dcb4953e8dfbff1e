"""What is to be known of prepared examples: counts, hashes, which tokens are learned, and why training on them would be in vain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from groundup.files import sha256_text
from groundup.text.bad_input import BadInput
from groundup.text.settings import DataSettings
from groundup.text.sources import Source, files_hash, source_hashes
from groundup.tokens.chat_template import ChatTemplate
from groundup.tokens.chat_templates import SOURCES
from groundup.tokens.example_plan import ExamplePlan
from groundup.tokens.example_store import ExampleStore
from groundup.tokens.mark_examples import CROPPED, WANTED, Tally
from groundup.tokens.tokenizer import Tokenizer

OWN = "own"
"""What a template is called that a tokenizer brought along."""


def describe_examples(
    sources: Sequence[Source],
    tallies: Mapping[str, Tally],
    stores: Mapping[str, ExampleStore],
    plan: ExamplePlan,
    tokenizer: Tokenizer,
    template: ChatTemplate,
    data: DataSettings,
    objective: str,
    bad: BadInput,
) -> dict[str, Any]:
    """What was prepared from what, as JSON values. `tallies` and `stores`: train and validation.

    The keys that facts of texts have mean the same here; a row counts as a document, and bytes are those of what is learned.
    """
    both = [tallies["train"], tallies["validation"]]
    dropped = sum((tally.dropped for tally in both), Counter[str]())
    cropped = sum(tally.cropped for tally in both)
    places: dict[str, list[str]] = {}
    for tally in both:
        for what, some in tally.places.items():
            places.setdefault(what, []).extend(some)
    kinds = sum((tally.kinds for tally in both), Counter[str]())
    read = {name: tally.read for name, tally in tallies.items()}
    unknown = {name: _unknown(store, tokenizer) for name, store in stores.items()}
    return {
        "sources": [_source_facts(source, tallies) for source in sources],
        "steps": {
            "read": sum(read.values()),
            "dropped": dict(dropped),
            "changed": {CROPPED: cropped} if cropped else {},
            "personal_data": {},
        },
        "documents": {name: len(store) for name, store in stores.items()},
        "bytes": {name: int(store.text_bytes.sum()) for name, store in stores.items()},
        "tokens": {name: len(store.ids) for name, store in stores.items()},
        "unknown_tokens": {name: tokens for name, (tokens, _) in unknown.items()},
        "split": "another source" if data.validation_source else "prompt",
        **({} if data.validation_source else {"validation_fraction": data.validation_fraction}),
        "tokenizer": {"kind": "existing", "vocab_size": tokenizer.vocab_size},
        "packing": {
            "kind": "best_fit" if plan.packed else "documents",
            "rows": plan.num_rows,
            "padding_share": plan.padding_share(stores["train"]),
            "cut_documents_share": 0.0,
        },
        "labels": {
            "objective": objective,
            "template": {"name": _name_of(template), "sha256": sha256_text(template.source)},
            "stop": _stop(tallies, tokenizer),
            "kinds": dict(kinds),
            "learned_tokens": {name: int(store.learned.sum()) for name, store in stores.items()},
            "unknown_learned": {name: learned for name, (_, learned) in unknown.items()},
            "teach_nothing": {name: len(store) - len(store.teaching) for name, store in stores.items()},
            "stop_learned": {name: int(store.stop_learned[:: store.width].sum()) for name, store in stores.items()},
            "masked_stops": {
                _said(tokenizer, number): count for number, count in tallies["train"].masked_stops.items()
            },
            "cropped": {"rows": cropped, "tokens": sum(tally.cropped_tokens for tally in both)},
            "shared_prompts": tallies["validation"].shared_prompts,
            "places": places,
        },
        "left_out": {"counts": dict(bad.counts), "examples": bad.examples},
    }


def problems(facts: Mapping[str, Any]) -> list[str]:
    """Why training on these examples would be in vain, a sentence each."""
    labels, examples = facts["labels"], facts["documents"]["train"]
    if labels["teach_nothing"]["train"] == examples:
        return [f"none of the {examples:,} training examples teaches anything: no token of theirs carries loss"]
    if labels["kinds"].keys() == {"text"}:
        return [f"every row is a text without anybody's answer: {WANTED[labels['objective']]}"]
    if labels["stop_learned"]["train"]:
        return []
    never = "no training example teaches where an answer ends, so the model would never stop"
    if labels["kinds"].keys() & {"conversation", "preference"}:
        named = labels["template"]["name"]
        template = "the tokenizer's own chat template" if named == OWN else f"data.template = {named!r}"
        instead = f"alpaca, which ends one with {labels['stop']!r}" if labels["stop"] else "chatml"
        return [
            f"{never}: {template} closes none with a special token that is learned; use one that does, e.g. data.template={instead}"
        ]
    if masked := labels["masked_stops"]:  # ids may end as they like, but not with a token that is masked each time
        shown = ", ".join(f"{token!r} ({count:,})" for token, count in masked.items())
        return [f"{never}: what stands behind the answers is masked, {shown}; label it with its own id, not with -100"]
    return []


def describe_unknown(facts: Mapping[str, Any]) -> list[str]:
    """A warning of what the training rows have and the tokenizer hasn't; nothing where it has all of it."""
    total, tokens = facts["unknown_tokens"]["train"], facts["tokens"]["train"]
    if not total:
        return []
    learned = facts["labels"]["unknown_learned"]["train"]
    taught = f", {learned:,} of them carry loss, so the model would learn to write it" if learned else ""
    return [
        f"warning: {total:,} of {tokens:,} training tokens are characters or words that the tokenizer doesn't have, and become the "
        f"unknown token{taught}; a base with tokenizer.byte_fallback = true, or one of byte pairs, would keep them"
    ]


def describe_labels(facts: Mapping[str, Any]) -> list[str]:
    """What is to be said of the labels when training begins, a line each."""
    labels, tokens, examples = facts["labels"], facts["tokens"], facts["documents"]
    learned = labels["learned_tokens"]["train"]
    noun = "pairs" if labels["objective"] == "preference" else "examples"
    both = f"{examples['train']:,} {noun} to train on and {examples['validation']:,} held out"
    loss = f"{learned:,} of {tokens['train']:,} training tokens carry loss ({learned / max(1, tokens['train']):.1%})"
    lines = [f"{both}; {loss}; {labels['stop_learned']['train']:,} {noun} teach where an answer ends"]
    if not labels["stop_learned"]["train"] and not problems(facts):  # of ids that others made
        lines.append(
            f"warning: none of the {noun} teaches where an answer ends, so the model may never stop: end them with the "
            f"tokenizer's end token, {labels['stop']!r}, labelled with its own id"
        )
    if nothing := labels["teach_nothing"]["train"]:
        lines.append(f"{nothing:,} {noun} have no token that carries loss, and are left out of training")
    if shared := labels["shared_prompts"]:
        lines.append(f"warning: {shared:,} of the validation {noun} have a prompt that is among those trained on")
    return lines


def _unknown(store: ExampleStore, tokenizer: Tokenizer) -> tuple[int, int]:
    """How many tokens of a store are the unknown one, and how many of these carry loss."""
    if tokenizer.unknown_id is None:
        return 0, 0
    learned = int((store.ids == tokenizer.unknown_id).sum())
    return learned + int((store.ids == ~tokenizer.unknown_id).sum()), learned


def _name_of(template: ChatTemplate) -> str:
    """Which of ours a template is, or `OWN`."""
    return next((name for name, source in SOURCES.items() if source == template.source), OWN)


def _stop(tallies: Mapping[str, Tally], tokenizer: Tokenizer) -> str:
    """The token that ends a turn, as most of the rows have it; where none is learned, the one that ends a text."""
    learned = (tallies["train"].stops + tallies["validation"].stops).most_common(1)
    stop = learned[0][0] if learned else tokenizer.end_id
    return "" if stop is None else _said(tokenizer, stop)


def _said(tokenizer: Tokenizer, number: int) -> str:
    return tokenizer.decode([number], skip_special_tokens=False)


def _source_facts(source: Source, tallies: Mapping[str, Tally]) -> dict[str, Any]:
    hashes = source_hashes(source)
    whole = hashes[0][1] if len(hashes) == 1 else sha256_text("\n".join(digest for _, digest in hashes))
    rows = sum(tally.rows_of.get(source.name, 0) for tally in tallies.values())
    sizes = [file.path.stat().st_size for file in source.files or () if file.path.is_file()]
    raw = {"archive_sha256": source.entry.sha256} if source.entry else {"files_sha256": files_hash(source)}
    return {
        "name": source.name,
        "origin": source.entry.origin if source.entry else source.name,
        "license": source.entry.license if source.entry else "unknown",
        "bytes": sum(sizes),
        "sha256": whole,
        "documents": rows,
        **raw,
    }
