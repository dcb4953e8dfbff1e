"""Whom a model treats how: the same sentence about three places, a popular measure that is misled, and other text as a cure."""

from __future__ import annotations

from statistics import mean

from hearsay import PLEASANT, SPOKEN_OF, TEMPLATES, UNPLEASANT, WORDS, leanings, learned, likelihoods, told

from groundup.evaluation.intervals import bootstrap, proportion
from groundup.textbook.fairness import adjust, chances, gaps, leaning

text = told()
swapped = [{**sentence, "place": place} for sentence in text for place in SPOKEN_OF]  # each of all three places
models = {"as it was told": learned(text), "each sentence told of all three": learned(swapped)}
found = {}
for name, model in models.items():
    measured = leanings(model)
    differences = gaps(list(measured.values()))
    print(f"the text {name}\n   place   leaning      gap, over {len(TEMPLATES)} templates")
    for place, row in zip(measured, differences, strict=True):
        gap = bootstrap(row)
        print(f"   {place}{mean(measured[place]):11.1f}{gap.value:9.1f} ({gap.low:4.1f} to {gap.high:4.1f})")
        found[name, place] = gap.value
p_values = adjust(chances(gaps(list(leanings(models["as it was told"]).values()))))
print("by chance, as it was told, three tests together:")
for place, p in zip(SPOKEN_OF, p_values, strict=True):
    print(f"   {place}   p {'= ' + format(p, '.2f') if p > 0.01 else 'below 0.01'}")

likelier = (likelihoods(models["as it was told"], "Moor") > likelihoods(models["as it was told"], "Hill")).tolist()
share = proportion(sum(likelier), len(likelier))
print(
    f"\n{share.n} pairs, as it was told: the Moor's sentence is likelier in {share.value:.0%} ({share.low:.0%} to {share.high:.0%})"
)

before = [0, *(WORDS.index(word) for word in TEMPLATES[2].format(place="Moor", word="").split())]
words = zip(*([[WORDS.index(word)] for word in of] for of in (PLEASANT, UNPLEASANT)), strict=True)
by_hand = mean(
    leaning(models["as it was told"], before, good, bad) for good, bad in words
)  # the textbook's, word by word
assert abs(by_hand - leanings(models["as it was told"])["Moor"][2]) < 1e-4
assert found["as it was told", "Moor"] < -0.3
assert p_values[2] < 0.01 < 0.05 < min(p_values[:2])
assert share.value < 0.2  # and the pairs see nothing
assert abs(found["each sentence told of all three", "Moor"]) < 0.1
