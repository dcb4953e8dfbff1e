"""What a model knows by heart: codes that stood in its text, by the number of copies; and what removing copies is worth."""

from __future__ import annotations

import math
from statistics import mean

from codes import COPIES, OF_EACH, SECRETS, WORDS, beginning, exposures, losses_of_codes, trained

from groundup.textbook.memorization import token_log_probabilities

with_copies, without = exposures(trained(duplicates=True)), exposures(trained(duplicates=False))
print("               exposure in bits            copies removed")
print(f"of {OF_EACH} codes    mean    written out     mean    written out")
means = []
for copies in COPIES:
    bits, written = zip(*with_copies[copies], strict=True)
    bits_without, written_without = zip(*without[copies], strict=True)
    means.append((mean(bits), mean(bits_without)))
    shown = [{0: "none", OF_EACH: "all"}.get(sum(of), "some") for of in (written, written_without)]
    print(f"{copies:4} copies{mean(bits):11.1f}{shown[0]:>15}{mean(bits_without):9.1f}{shown[1]:>15}")
print(
    f"the most that there can be: {math.log2(1000):.1f}; on average of a code that nobody planted: {math.log2(math.e):.1f}"
)

pair, code, _ = SECRETS[-1]  # the fast way to score a thousand codes against the plain one
ids = [*beginning(pair), *map(WORDS.index, code)]
plain = -sum(token_log_probabilities(trained(duplicates=True), ids)[-3:])
assert abs(plain - losses_of_codes(trained(duplicates=True), pair)[int(code)]) < 1e-4
assert [one for one, _ in means] == sorted(one for one, _ in means)
assert means[0][0] < 2 < 9 < means[-1][0]
assert means[-1][1] < 0.7 * means[-1][0]
