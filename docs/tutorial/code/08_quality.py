"""Rules that drop bad text, and the good text that they drop with it."""

from __future__ import annotations

from noticeboard import GERMAN, MENU, make_pile

STOP_WORDS = {"the", "be", "to", "of", "and", "that", "have", "with"}
CHORUS = "Ring the bell and beat the drum,\nring it till the others come.\n"
SONG = CHORUS + "Mia has the longest rope,\n" + CHORUS + "Ben a kite and Tom a hope,\n" + CHORUS
RECIPE = "- 500 g flour\n- 300 g water\n- 10 g salt\n- 2 g yeast\n" * 5


def too_short(text: str) -> bool:
    """Fewer than 50 words (Rae et al. 2021, appendix A.1.1)."""
    return len(text.split()) < 50


def no_stop_words(text: str) -> bool:
    """Fewer than two of the commonest English words (the same)."""
    return len(STOP_WORDS & set(text.lower().split())) < 2


def too_few_letters(text: str) -> bool:
    """Fewer than 80 % of the words have a letter in them (the same)."""
    words = text.split()
    return sum(any(c.isalpha() for c in word) for word in words) < 0.8 * len(words)


def repeats_lines(text: str) -> bool:
    """More than 30 % of the lines are repetitions (the same, table A1)."""
    lines = [line for line in text.splitlines() if line]
    return 1 - len(set(lines)) / len(lines) > 0.3


RULES = too_short, no_stop_words, too_few_letters, repeats_lines
notices = [notice.text for notice in make_pile() if notice.id.startswith("day")]
print("                       " + "".join(f"{rule.__name__:>17}" for rule in RULES))
for name, texts in {
    "a menu (bad)": [MENU],
    "365 notices (good)": notices,
    "a German letter (good)": [GERMAN * 4],
    "a song (good)": [SONG],
    "a recipe (good)": [RECIPE],
}.items():
    dropped = (sum(map(rule, texts)) for rule in RULES)
    print(f"{name:23}" + "".join(f"{f'drops {count:,}' if count else '-':>17}" for count in dropped))

assert too_short(MENU)
assert repeats_lines(SONG)
