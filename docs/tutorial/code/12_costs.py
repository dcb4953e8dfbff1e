"""Models from scratch and a tuned one: arithmetic, days, and the memory that must be there. Nothing is trained."""

from __future__ import annotations

from groundup.textbook.cost import best_size, state_bytes, training_days, training_flops

V100, H100 = (
    125e12 * 0.3,
    989e12 * 0.4,
)  # operations a second in 16 bits, by their data sheets, times the share that good programs reach
CASES = {  # weights, those that are trained, tokens, devices
    "125M, 20 tokens a weight": (125e6, 125e6, 2.5e9, 8),
    "125M, 300 billion tokens": (125e6, 125e6, 300e9, 8),
    "1.5B, 20 tokens a weight": (1.5e9, 1.5e9, 30e9, 32),
    "1.5B, 300 billion tokens": (1.5e9, 1.5e9, 300e9, 32),
    "175B, 300 billion tokens": (175e9, 175e9, 300e9, 1024),
    "7B tuned, all of it": (7e9, 7e9, 50e6, 4),
    "7B tuned, 40M beside it": (7e9, 40e6, 50e6, 4),
}
print("                          operations   devices   days, V100   days, H100   GB in all   GB each, sharded")
days, memory = {}, {}
for name, (weights, trained, tokens, devices) in CASES.items():
    flops = training_flops(weights, tokens)
    days[name] = [training_days(flops, devices, speed, 1.0) for speed in (V100, H100)]
    memory[name] = state_bytes(weights, trained) / 1e9
    old, new = days[name]
    print(
        f"{name:25}{flops:11.1e}{devices:10,}{old:13.2f}{new:13.2f}{memory[name]:12,.0f}{memory[name] / devices:19.2f}"
    )

print("\na budget                   the best size for it, and its text")
for said, seconds, speed in (
    ("15 minutes on two cores", 900, 60e9),
    ("a day on one H100", 86_400, H100),
    ("a month on 1,024 of them", 30 * 86_400, 1024 * H100),
):
    weights, tokens = best_size(seconds * speed)
    print(f"{said:25}{weights / 1e6:10,.1f} million weights{tokens / 1e9:10,.2f} billion tokens")

assert days["175B, 300 billion tokens"][0] > 60 > 10 > days["175B, 300 billion tokens"][1]
assert memory["7B tuned, all of it"] > 80 > memory["7B tuned, 40M beside it"]
