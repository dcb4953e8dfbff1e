"""What a training takes: arithmetic, hours, electricity, from nothing but the model's size and its text."""

from __future__ import annotations

CASES = {  # weights, tokens, operations a second that are reached, watts
    "the Shakespeare recipe, two cores": (0.6e6, 1.6e6, 60e9, 20),
    "SmolLM2-135M, one GPU": (135e6, 2e12, 400e12, 700),
    "7 billion weights, many GPUs": (7e9, 2e12, 400e12, 700),
}
print("                                      operations      hours of one         kWh")
kilowatt_hours = {}
for name, (weights, tokens, speed, watts) in CASES.items():
    operations = (
        6 * weights * tokens
    )  # two for each weight and token to predict, four to learn (Kaplan et al. 2020, §2.1)
    hours = operations / speed / 3600
    kilowatt_hours[name] = hours * watts / 1000
    used = f"{kilowatt_hours[name]:,.{4 if kilowatt_hours[name] < 1 else 0}f}"
    print(f"{name:36}{operations:12.1e}{hours:18,.2f}{used:>12}")

assert max(kilowatt_hours.values()) > 1e6 * min(kilowatt_hours.values())
