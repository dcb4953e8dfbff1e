"""Does a model mean what it says? One that read 200 lines, one that read 30 of them over and over, and a cure that changes no choice."""

from __future__ import annotations

from confidence import MODELS, answers, bins

from groundup.textbook.calibration import calibration_error

for name, model in MODELS.items():
    confidence, right, _ = answers(model)
    print(f"read {name}\n   it was sure   and right   of all tokens")
    for sure, came, count in bins(confidence, right, 5):
        print(f"{sure:14.0%}{came:12.0%}{count / len(right):16.0%}")

print("\nread 30 lines, at a temperature   loss   accuracy   calibration error")
found = []
for temperature in (0.5, 1.0, 1.5, 2.0, 4.0):
    confidence, right, loss = answers(MODELS["30 lines"], temperature)
    error = calibration_error(confidence.tolist(), right.tolist())
    found.append((loss, float(right.float().mean()), error))
    print(f"{temperature:31}{loss:7.2f}{found[-1][1]:11.0%}{error:20.3f}")

assert len({accuracy for _, accuracy, _ in found}) == 1
losses, errors = ([each[place] for each in found] for place in (0, 2))
assert losses[2] < 0.9 * losses[1]
assert errors[0] > errors[1] > errors[2] < errors[4]
