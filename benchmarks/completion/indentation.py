"""How each pre-tokenizer treats indented code: tokens for held-out files, and which stretches of spaces become tokens.

    .venv/bin/python -m benchmarks.completion.indentation [--vocab-size 4096] [--output FILE]

The files are those that `groundup train python-code` learns from and holds out.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, get_args

from benchmarks.completion.run import files_of
from benchmarks.result import at_least_one, output_file, show, write

from groundup.language_model.complete import token_texts
from groundup.recipe.settings import load_recipe
from groundup.tokens.settings import PreTokenizer, TokenizerSettings
from groundup.tokens.train import train_tokenizer

EXAMPLE = "def f(self):\n    if x:\n        return 12\n\n    return self.a\n"
WIDTHS = (3, 4, 7, 8, 11, 12)
COLUMNS = {
    "name": "tokenizer.pre_tokenizer",
    "tokens": "tokens, held out",
    "bytes_per_token": "bytes a token",
    "spaces": "so many spaces are a token",
    "after_newline": "and with a newline before them",
    "example": "an example",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="Pre-tokenizers beside each other, on indented code.")
    parser.add_argument("--vocab-size", type=at_least_one, default=4096)
    parser.add_argument("--output", type=output_file)
    arguments = parser.parse_args()
    train, held_out = files_of(load_recipe("python-code"), Path())
    num_bytes = sum(len(text.encode()) for text in held_out)
    rows: list[dict[str, Any]] = []
    for name in get_args(PreTokenizer):
        settings = TokenizerSettings(kind="bpe", vocab_size=arguments.vocab_size, pre_tokenizer=name)
        tokenizer = train_tokenizer(train, settings)
        tokens, texts = (
            sum(len(tokenizer.encode(text)) for text in held_out),
            token_texts(tokenizer, tokenizer.vocab_size),
        )
        rows.append(
            {
                "name": name,
                "tokens": tokens,
                "bytes_per_token": num_bytes / tokens,
                "spaces": [width for width in WIDTHS if " " * width in texts],
                "after_newline": [width for width in WIDTHS if "\n" + " " * width in texts],
                "example": "|".join(tokenizer.decode([token]) for token in tokenizer.encode(EXAMPLE)).replace(
                    "\n", "\\n"
                ),
            }
        )
    title = f"{num_bytes:,} bytes of {len(held_out)} held-out files"
    show(title, COLUMNS, rows, {})
    write(arguments.output, "benchmarks.completion.indentation", None, {"title": title, "rows": rows})


if __name__ == "__main__":
    main()
