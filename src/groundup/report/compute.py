"""What a training took: arithmetic, time, electricity."""

from __future__ import annotations

from groundup.report.facts import RunFacts
from groundup.report.pages import count, duration, figure, share
from groundup.report.values import number, section, text

WATTS_A_CORE = 10.0
"""A guess: processors of servers and laptops draw some 5 to 15 W for a core at work."""


def compute_rows(facts: RunFacts) -> list[tuple[str, str]]:
    """Name and figure; what is an estimate says so."""
    rows = [("time of training steps", duration(facts.seconds))]
    flops = _flops(facts)
    if flops is not None:
        rows.append(("arithmetic", f"{figure(flops, 3)} floating-point operations, counted from the network's shape"))
        peak = number(facts.manifest.get("matmul_flops_per_second"))
        if peak and facts.seconds:
            reached = flops / facts.seconds
            rows.append(("of the machine's peak", f"{share(reached / peak)}, the peak as measured when the run began"))
    if facts.tokens is not None and facts.seconds:
        rows.append(("speed", f"{count(facts.tokens / facts.seconds)} tokens a second"))
    rows.append(("energy", energy(facts)))
    return rows


def _flops(facts: RunFacts) -> float | None:
    """Of a training on text: of rows only the tokens that carry loss are kept count of, and others are read, too."""
    of_token = number(facts.model.get("training_flops_per_token"))
    if of_token is None or facts.tokens is None or facts.objective != "language_model":
        return None
    return of_token * facts.tokens


def energy(facts: RunFacts) -> str:
    """Electricity: measured where a counter could be read, else an estimate that is called one."""
    joules, counted = number(facts.result.get("joules")), text(facts.result.get("joules_of"))
    on_processor = text(section(facts.manifest, "machine").get("device")) == "cpu"
    if joules is not None:
        alone = ""
        if counted == "card":
            alone = " **of the graphics card alone** (the processors' counter could not be read: what they took comes on top)"
        elif counted == "processors" and not on_processor:
            alone = " **of the processors alone** (the graphics card's counter could not be read: what it took comes on top)"
        return f"{figure(joules / 3600, 3)} Wh{alone}, from the machine's own counters; what else ran on it is in there"
    cores = number(facts.manifest.get("num_threads"))
    if not on_processor or cores is None or facts.seconds is None:
        return "not known: no counter could be read"
    watt_hours = cores * WATTS_A_CORE * facts.seconds / 3600
    return (
        f"about {figure(watt_hours, 2)} Wh. That is an **estimate**: no counter could be read, so each of {count(cores)} busy cores is "
        f"taken to draw {WATTS_A_CORE:g} W; 5 to 15 W are usual"
    )
