"""Is the test question in the training text? It depends on how many words in a row you ask for."""

from __future__ import annotations

from noticeboard import QUESTION, make_pile

from groundup.textbook.minhash import word_sequences

pile = make_pile()
print("words in a row   documents that share them with the question   the one with the question is among them")
found = {}
for length in (3, 4, 5, 8, 13):
    asked = word_sequences(QUESTION, length)
    found[length] = {notice.id for notice in pile if asked & word_sequences(notice.text, length)}
    print(f"{length:10}{len(found[length]):30}{'yes' if 'quiz' in found[length] else 'no':>40}")

changed = QUESTION.replace("12", "20").replace("nine", "six").replace("bowls", "plates")
print(
    f"\nwith three words changed, {len(word_sequences(changed, 13) & word_sequences(QUESTION, 13))} sequences of 13 are left"
)

assert found[13] == {"quiz"}
