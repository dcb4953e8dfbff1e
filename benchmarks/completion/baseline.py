"""What an n-gram model writes at a cursor, asked as `LanguageModel.complete` asks a network: from the text before."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from groundup.evaluation.ngram import NgramModel
from groundup.language_model.complete import agreeing_tokens, make_prompt
from groundup.tokens.tokenizer import Tokenizer

NEAR = 2_000  # characters before the cursor: more than five tokens, at any rate


def complete_line(
    ngrams: NgramModel,
    tokenizer: Tokenizer,
    texts: Sequence[str],
    prefix: str,
    max_new_tokens: int,
    take_back: bool = True,
) -> str:
    """The rest of the line by the likeliest token each time; `take_back` the last token before the cursor, as a network's is.

    `texts` (V,) are those of the tokens.
    """
    prompt = make_prompt(tokenizer, prefix[-NEAR:], "", max_seq_len=NEAR, max_new_tokens=1)
    ids, begun = (list(prompt.ids), prompt.begun) if take_back else (tokenizer.encode(prefix[-NEAR:]), "")
    num_read, rest = len(ids), begun
    while rest:
        probabilities = np.where(agreeing_tokens(tokenizer, texts, rest).numpy(), ngrams.next_probabilities(ids), 0.0)
        ids.append(int(probabilities.argmax()))
        rest = rest[len(texts[ids[-1]]) :]
    if "\n" not in tokenizer.decode(ids[num_read:])[len(begun) :]:
        ids += ngrams.complete(ids, max_new_tokens, [token for token, text in enumerate(texts) if "\n" in text])
    written = tokenizer.decode(ids[num_read:])[len(begun) :]
    return written.split("\n", 1)[0]
