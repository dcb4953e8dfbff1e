"""Keep docs/projects/domain.md true: measure runs of the recipe domain that differ in their seed, and fill the page's blocks.

python scripts/fill_domain.py runs/domain-1 runs/domain-2 runs/domain-3    measure them into domain.json, then fill the page
python scripts/fill_domain.py                                              fill the page from domain.json as it is
python scripts/fill_domain.py --check                                      change nothing; fail if the page is stale
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from project_page import facts_of, keep_true, text_block

GENERAL, GENERAL_DOCUMENTS = "wikipedia", 50
NUM_ANSWERS = 10
ANSWER_TOKENS = 80
STUDENT_T = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776}  # 97.5 % of Student's t, by the number of runs


def measure(runs: list[Path]) -> dict[str, Any]:
    """The model that the runs began with beside each of theirs: on held-out documents, on general text, and in ten answers."""
    from groundup.language_model import LanguageModel
    from groundup.recipe.evaluate import data_of_run
    from groundup.text.cache import cache_directory
    from groundup.text.settings import DataSettings
    from groundup.text.sources import read_documents

    prepared, settings = data_of_run(runs[0], "name", print)
    window, tokenizer = settings.model.max_seq_len, prepared.tokenizer
    held_out = documents(prepared.validation.ids, prepared.validation.ends)
    articles = read_documents(DataSettings(source=GENERAL), cache_directory(), print)[:GENERAL_DOCUMENTS]
    general = [tokenizer.encode_array(article.text)[:window] for article in articles]
    # Evenly spread, so that each kind of document is among them. The first line of each, a question, is given; without the line's
    # end, for two of them at the end of a prompt are another token than two of them before a word.
    texts = [tokenizer.decode(ids.tolist()) for ids in held_out[:: len(held_out) // NUM_ANSWERS][:NUM_ANSWERS]]
    prompts = [text.strip().partition("\n")[0] for text in texts]
    figures: dict[str, Any] = {"base": settings.model.base, "source": settings.data.source, "general": GENERAL}
    figures |= {"window": window, "prompts": prompts, "texts": texts, "runs": []}
    figures["documents"] = {"domain": len(held_out), "general": len(general)}
    figures["tokens"] = {
        kind: sum(len(ids) - 1 for ids in one) for kind, one in (("domain", held_out), ("general", general))
    }
    losses: dict[str, dict[str, list[float]]] = {}
    for name in ["before", *map(str, runs)]:
        path = settings.model.base if name == "before" else name
        print(f"measuring {path}")
        model = LanguageModel.load(path)
        losses[name] = {
            "domain": document_losses(model.model, held_out, window),
            "general": document_losses(model.model, general, window),
        }
        shown = {kind: perplexity(losses[name][kind], figures["tokens"][kind]) for kind in ("domain", "general")}
        if name == "before":
            figures["before"] = shown
        else:
            better = sum(new < old for new, old in zip(losses[name]["domain"], losses["before"]["domain"], strict=True))
            figures["runs"].append({"perplexity": shown, "better_documents": better, **facts_of(Path(name))})
        if len(figures["runs"]) < 2:  # the model as it was, and that of the first run
            answers = [model.generate(prompt, temperature=0.0, max_new_tokens=ANSWER_TOKENS) for prompt in prompts]
            figures["answers_before" if name == "before" else "answers_after"] = answers
    return figures


def documents(ids: Any, ends: Any) -> list[Any]:
    """Each document's ids, without the end token behind it: to foretell that is a matter of form, and soon learned."""
    begins = [0, *ends[:-1].tolist()]
    return [ids[begin : end - 1] for begin, end in zip(begins, ends.tolist(), strict=True)]


def document_losses(model: Any, texts: Sequence[Any], window: int) -> list[float]:
    """Of each document, the sum of -log p over its tokens but the first; read by itself, in windows that don't overlap."""
    from groundup.language_model.token_losses import Window, window_losses

    windows = [
        (number, Window(ids, start, start + 1, min(start + window, len(ids) - 1)))
        for number, ids in enumerate(texts)
        for start in range(0, len(ids) - 1, window)
    ]
    windows.sort(key=lambda numbered: numbered[1].end - numbered[1].start)  # those of one length go through together
    totals = [0.0] * len(texts)
    for (number, _), loss in zip(windows, window_losses(model, [one for _, one in windows], 8), strict=True):
        totals[number] += loss
    return totals


def perplexity(losses: Sequence[float], tokens: int) -> float:
    """exp of the mean loss over all tokens."""
    return math.exp(sum(losses) / tokens)


def interval(values: Sequence[float]) -> tuple[float, float]:
    """The mean of a few runs, and half of its 95 % interval by Student's t."""
    half = STUDENT_T[len(values)] * statistics.stdev(values) / math.sqrt(len(values))
    return statistics.mean(values), half


def run_line(figures: dict[str, Any]) -> str:
    """What a run took."""
    first = figures["runs"][0]
    minutes = [run["seconds"] / 60 for run in figures["runs"]]
    return (
        f"{first['steps']:,} steps, {first['tokens']:,} tokens, in {min(minutes):.1f} to {max(minutes):.1f} minutes on "
        f"{first['num_threads']} threads, in {first['precision']}. {first['trainable']:,} numbers are learned "
        f"beside the {first['parameters']:,} of the base."
    )


def perplexity_table(figures: dict[str, Any]) -> str:
    """Before and after, on both kinds of text."""
    count = len(figures["runs"])
    lines = [
        f"| perplexity | documents | tokens | before | after, {count} seeds | change |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for kind, what in (
        ("domain", f"held out of `{figures['source']}`"),
        ("general", f"general text, `{figures['general']}`"),
    ):
        before = figures["before"][kind]
        mean, half = interval([run["perplexity"][kind] for run in figures["runs"]])
        cells = [what, f"{figures['documents'][kind]:,}", f"{figures['tokens'][kind]:,}", f"{before:.2f}"]
        cells += [f"**{mean:.2f}** ± {half:.2f}", f"{100 * (mean / before - 1):+.1f} %"]
        lines.append(f"| {' | '.join(cells)} |")
    better = [run["better_documents"] for run in figures["runs"]]
    shown = f"{min(better)}" if min(better) == max(better) else f"{min(better)} to {max(better)}"
    lines += ["", f"The loss went down on {shown} of the {figures['documents']['domain']:,} held-out documents."]
    return "\n".join(lines)


def answers(figures: dict[str, Any]) -> str:
    """The ten prompts, and what each model wrote."""
    parts = []
    answered = zip(figures["prompts"], figures["answers_before"], figures["answers_after"], strict=True)
    for number, (prompt, before, after) in enumerate(answered, start=1):
        parts += [f"**{number}.** {' '.join(prompt.split())}", f"Before:\n\n{text_block(before)}"]
        parts.append(f"After:\n\n{text_block(after)}")
    return "\n\n".join(parts)


BLOCKS = {"run": run_line, "perplexity": perplexity_table, "answers": answers}

if __name__ == "__main__":
    keep_true("domain", measure, BLOCKS)
