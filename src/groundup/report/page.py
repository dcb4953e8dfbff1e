"""`write_report`: a run as one offline page, with every number read from the run's files."""

from __future__ import annotations

import base64
import hashlib
import shlex
from html import escape
from pathlib import Path
from typing import Any

from groundup.files import sha256_file, sha256_text
from groundup.report.facts import RunFacts, read_run
from groundup.report.pages import count, duration, figure, html_templates, quoted, read_template, share
from groundup.report.points import Sample
from groundup.report.run_charts import loss_charts, loss_notes, preference_charts, small_charts
from groundup.report.tables import (
    LONGEST_LIST,
    data_notes,
    event_rows,
    hash_rows,
    machine_rows,
    network_shape,
    parameter_rows,
    recipe_rows,
    split_rows,
    used_settings,
)
from groundup.report.values import number, section, whole
from groundup.report.wording import (
    NO_PREFERENCE,
    below_prompt,
    kind_of_run,
    starting_level,
    what_carries_loss,
    what_was_trained,
    words,
)
from groundup.run.directory import RESULT_FILE
from groundup.run.files import write_atomic

REPORT_FILE = "report.html"
MARK = "<!-- SHA-256 of all above: "
SHOWN_SAMPLES, MORE_SAMPLES = 6, 40
LONGEST_SAMPLE = 3000  # characters


def write_report(run: Path) -> Path:
    """Write `report.html` of a run in any state, and return its path. Raises `RunError` when `run` isn't a run."""
    path = run / REPORT_FILE
    page = render_report(read_run(run))
    write_atomic(path, f"{page}\n{MARK}{sha256_text(page)}, of the result {_result_sha256(run)} -->\n")
    return path


def report_is_stale(run: Path) -> bool:
    """Whether a finished run's page is missing, damaged, or was written before the end. What time it is never counts: clocks jump."""
    return not page_is_as_written(run / REPORT_FILE) or _mark(run / REPORT_FILE)[2] != _result_sha256(run)


def page_is_as_written(page: Path) -> bool:
    """Whether nothing has changed a page since it was written; a page without a mark counts as changed."""
    if not page.is_file():
        return False
    above, sha256, _ = _mark(page)
    return sha256 == sha256_text(above)


def _mark(page: Path) -> tuple[str, str, str]:
    """A page above its mark, and the two hashes in it: of the page, of the result that it shows."""
    above, _, mark = page.read_text(encoding="utf-8", errors="replace").rpartition(f"\n{MARK}")
    sha256, _, result = mark.removesuffix(" -->\n").partition(", of the result ")
    return above, sha256, result


def _result_sha256(run: Path) -> str:
    return sha256_file(run / RESULT_FILE) if (run / RESULT_FILE).is_file() else "none"


def render_report(facts: RunFacts) -> str:
    """The report's HTML. Its policy lets no script run but its own, even if some text got past the escaping."""
    script = read_template("report.js")
    script_hash = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return (
        html_templates()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            again=shlex.join(["groundup", "train", f"{facts.path}/recipe.toml", "--run", "another-folder"]),
            script=script,
            script_hash=script_hash,
            style=read_template("report.css"),
            kind=kind_of_run(facts),
            words=words(facts),
            verdict=verdict(facts),
            tiles=tiles(facts),
            loss_charts=loss_charts(facts),
            loss_means=loss_means(facts),
            loss_notes=loss_notes(facts),
            preference_charts=preference_charts(facts),
            small_charts=small_charts(facts),
            samples=sample_rows(facts),
            parts=parameter_rows(facts),
            trained=what_was_trained(facts),
            shape=network_shape(facts),
            recipe=recipe_rows(used_settings(facts)),
            sources=facts.sources[:LONGEST_LIST],
            split=split_rows(facts),
            data_notes=data_notes(facts),
            events=event_rows(facts),
            machine=machine_rows(facts.manifest),
            hashes=hash_rows(facts),
            longest=LONGEST_LIST,
        )
    )


def verdict(facts: RunFacts) -> str:
    """The run in one or two sentences."""
    max_steps = whole(facts.manifest.get("max_steps", facts.training_settings.get("max_steps")))
    of = f" of {max_steps:,}" if max_steps and max_steps != facts.steps else ""
    done = f"{facts.steps:,}{of} step{'s' if of or facts.steps != 1 else ''}"
    if facts.tokens is not None:
        done += f", {facts.tokens:,} tokens"
    if facts.seconds is not None:
        done += f", {duration(facts.seconds)}"
    opening = {"finished": "Finished", "stopped": "Stopped", "unfinished": "Not finished"}[facts.state]
    if facts.result.get("stopped_because") == "patience":
        opening = "Finished early, since the validation loss no longer fell"
    reasons = [event.why for event in facts.events if event.event == "stopped" and event.why]
    if facts.state == "stopped" and reasons:
        opening += f" ({reasons[-1]})"
    best = facts.best
    if best is None or best.loss is None:
        return f"{opening}: {done}. The validation loss has not been measured yet."
    found = f"validation loss {figure(best.loss)}"
    if best.perplexity is not None:
        found += f", perplexity {figure(best.perplexity, 3)}"
    if best.bits_per_byte is not None:
        found += f", {figure(best.bits_per_byte)} bits per byte"
    compared = best.step != 0  # at step 0 the model is its own reference
    if best.accuracy is not None and compared:
        found += f", accuracy {share(best.accuracy)}"
    if best.margin is not None and compared:
        found += f", margin {figure(best.margin, 3)}"
    where = f" at step {best.step:,}" if best.step is not None else ""
    untrained = "Before tuning" if facts.base else "Untrained"
    what = untrained if best.step == 0 else "Best checkpoint"
    return f"{opening}: {done}. {what}{where}: {found}."


Tile = tuple[str, str, str]
"""Its name, its value, what that means."""


def tiles(facts: RunFacts) -> list[Tile]:
    """The key figures: six of a network of its own, eight of a run that starts from a model."""
    speeds = sorted(point.tokens_per_second for point in facts.training if point.tokens_per_second is not None)
    speed = f"{count(speeds[len(speeds) // 2])} tokens/s, median" if speeds else ""
    parameters = ("Parameters", count(facts.total_parameters), f"{facts.family or 'transformer'} layout")
    trained = ("Trained parameters", count(facts.trained_parameters), what_was_trained(facts))
    return [
        *(_preference_tiles(facts) if facts.objective == "preference" else _likelihood_tiles(facts)),
        *([parameters, trained] if facts.base else [parameters]),
        ("Training tokens", count(facts.tokens), _epochs(facts)),
        ("Training time", duration(facts.seconds), speed),
    ]


def _likelihood_tiles(facts: RunFacts) -> list[Tile]:
    best = facts.best
    measured = [
        ("Validation loss", figure(best.loss if best else None), f"nats a token, {_over(facts)}"),
        ("Perplexity", figure(best.perplexity if best else None, 3), "as unsure as between so many equal choices"),
        ("Bits per byte", figure(best.bits_per_byte if best else None), "comparable across tokenizers"),
    ]
    return [*measured, _before_and_after(facts)] if facts.base else measured


def _before_and_after(facts: RunFacts) -> Tile:
    """The validation loss of the base, and of the best checkpoint over the same tokens."""
    before, after = facts.before, facts.best_in_training
    tokens = f", both over {before.tokens:,} tokens" if before and before.tokens is not None else ""
    step = "" if after is None or not after.step else f" and of step {after.step:,}"
    return (
        "Before → after",
        f"{figure(before.loss if before else None)} → {figure(after.loss if after and after.step else None)}",
        f"validation loss of the base{step}{tokens}",
    )


def _preference_tiles(facts: RunFacts) -> list[Tile]:
    best = facts.best
    trained = best if best and best.step != 0 else None  # at step 0 the model is the reference: nothing is to compare
    rewards = (figure(number, 3) for number in ((best.chosen_reward, best.rejected_reward) if best else (None, None)))
    return [
        (
            "Validation loss",
            figure(best.loss if best else None),
            f"nats a pair, {_over(facts)}; it began at {NO_PREFERENCE:.3f}",
        ),
        (
            "Accuracy",
            share(trained.accuracy if trained else None),
            "of the pairs: the chosen answer gained more; 50 % is chance",
        ),
        ("Margin", figure(best.margin if best else None, 3), "by how much more the chosen answers gained, in nats"),
        ("Rewards", " / ".join(rewards), "chosen / rejected: β times the gain in likelihood since before tuning"),
    ]


def _over(facts: RunFacts) -> str:
    """What the validation figures were measured over."""
    best = facts.best
    if best and facts.objective == "preference" and best.pairs is not None:
        return f"over {best.pairs:,} held-out pairs"
    if best and best.tokens is not None:
        return f"over {best.tokens:,} {words(facts).tokens}"
    return f"on {words(facts).held_out}"


def _epochs(facts: RunFacts) -> str:
    """How often the training data was read."""
    learned = number(section(facts.labels, "learned_tokens").get("train"))
    size_of_split = learned or number(section(facts.data, "tokens").get("train"))
    if not size_of_split or facts.tokens is None:
        return ""
    of = f"those that carry loss in the training {words(facts).examples}" if learned else "the training text"
    return f"{facts.tokens / size_of_split:.2f} × {of}"


def loss_means(facts: RunFacts) -> str:
    """What the loss chart shows, and what its dashed line is."""
    line = "a model that only guesses, all tokens being equally likely"
    if facts.objective == "preference":
        line = "where it began, with every margin at 0"
    elif facts.base is not None:
        line = "the base, before any step"
    dashed = f", the dashed line is {line}" if starting_level(facts) else ""
    return " ".join(part for part in (f"{words(facts).loss}{dashed}.", what_carries_loss(facts)) if part)


def sample_rows(facts: RunFacts) -> dict[str, Any]:
    """Samples from the first to the last: those shown at once, more of them, and how many there are in all."""
    losses = {point.step: point.loss for point in facts.validation}
    final, texts = facts.final_sample, list(facts.samples)
    if final is not None and final not in texts:
        texts.append(final)
    shown = spread(len(texts), SHOWN_SAMPLES)
    more = (
        [index for index in spread(len(texts), MORE_SAMPLES) if index not in shown] if len(texts) > len(shown) else []
    )

    def row(index: int) -> dict[str, Any]:
        sample = texts[index]
        loss = losses.get(sample.step)
        return {
            "title": _sample_title(facts, sample, sample == final),
            "loss": None if loss is None else figure(loss, 3),
            "prompt": sample.prompt[:LONGEST_SAMPLE],
            "text": below_prompt(facts, sample)[:LONGEST_SAMPLE],
            "cut": max(0, len(sample.text) - LONGEST_SAMPLE),
        }

    prompts = {texts[index].prompt for index in shown}
    if any(prompt.strip() for prompt in prompts) and facts.answers:
        prompted = " <mark>The question</mark> was asked, in the chat template; the rest is the model's."
    elif any(prompt.strip() for prompt in prompts):
        prompted = " <mark>The prompt</mark> was given; the rest is the model's."
    elif any(prompts):  # spaces and line breaks, which would not be seen
        prompted = f" The prompt was <code>{escape(quoted(max(prompts)))}</code>; all that is seen is the model's."
    else:
        prompted = " There was no prompt: all of it is the model's."
    return {
        "prompted": prompted,
        "shown": [row(index) for index in shown],
        "more": [row(index) for index in more],
        "total": len(texts),
    }


def _sample_title(facts: RunFacts, sample: Sample, is_final: bool) -> str:
    step = "sample" if sample.step is None else f"step {sample.step:,}"
    if sample.step == 0 and facts.base:
        return "before tuning, step 0"
    return f"best checkpoint, {step}" if is_final else step


def spread(total: int, wanted: int) -> list[int]:
    """Up to `wanted` of `total` indices, first and last among them, denser early on, where the text changes most."""
    if total <= wanted:
        return list(range(total))
    return sorted({round((total - 1) * (place / (wanted - 1)) ** 1.7) for place in range(wanted)})
