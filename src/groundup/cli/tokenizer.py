"""`groundup tokenizer`: train, inspect, report."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from groundup.cli.loading import told_when_stopped
from groundup.errors import DataError, SettingError
from groundup.tokens.settings import USED_BY_KIND, PreTokenizer, TrainedKind

if TYPE_CHECKING:
    from groundup.text.document import Document
    from groundup.text.document_store import DocumentStore
    from groundup.tokens.tokenizer import Tokenizer

app = typer.Typer(
    name="tokenizer", help="Train a tokenizer on your own text, look into one, measure one.", no_args_is_help=True
)
SOURCE_HELP = "A text file, a folder, a glob pattern or a catalogue name."
TOKENIZER_HELP = (
    "A folder with a tokenizer.json, a tokenizer's or a model's; such a file; a *.tiktoken or SentencePiece's *.model; "
    "a folder with GPT-2's vocab.json and merges.txt; or hf://owner/name for one of the Hugging Face hub."
)
SHOWN_TOKENS = 200
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(no_args_is_help=True)
def train(
    source: Annotated[str, typer.Argument(help=SOURCE_HELP)],
    output: Annotated[Path, typer.Option(help="The folder to write, new or empty.")],
    kind: Annotated[TrainedKind, typer.Option(help="character, word, or bpe (byte pairs).")] = "bpe",
    vocab_size: Annotated[
        int | None, typer.Option(help="At most how many tokens (word, bpe).", show_default="8192")
    ] = None,
    min_frequency: Annotated[
        int | None, typer.Option(help="How often a word or pair must occur (word, bpe).", show_default="2")
    ] = None,
    pre_tokenizer: Annotated[
        PreTokenizer | None, typer.Option(help="Which pieces no token crosses (bpe).", show_default="qwen2")
    ] = None,
    byte_fallback: Annotated[
        bool | None,
        typer.Option("--byte-fallback", help="Spell unknown characters as bytes (character).", show_default=False),
    ] = None,
) -> None:
    """Learn a tokenizer from a text and write it as tokenizer.json, which transformers reads.

    Example:

        groundup tokenizer train ./my-texts --vocab-size 8192 --output ./my-tokenizer
    """
    from groundup.text.splits import all_of
    from groundup.tokens.prepare import to_learn_from
    from groundup.tokens.report import report_tokenizer
    from groundup.tokens.settings import TokenizerSettings
    from groundup.tokens.train import train_tokenizer

    given = {
        name: value
        for name, value in (
            ("vocab_size", vocab_size),
            ("min_frequency", min_frequency),
            ("pre_tokenizer", pre_tokenizer),
            ("byte_fallback", byte_fallback),
        )
        if value is not None
    }
    for name in given:
        if name not in USED_BY_KIND[kind]:
            raise SettingError(
                f"--{name.replace('_', '-')}",
                given[name],
                f"leave it out: --kind {kind} doesn't look at it, only {_kinds_that_use(name)}",
            )
    settings = TokenizerSettings(kind=kind, **given)  # type: ignore[arg-type]
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise DataError(f"{output} is there already and is not an empty folder: name a new one with --output")
    with told_when_stopped(output):
        store = _read(source)
        with _new_folder(output):
            texts = (document.text for document in to_learn_from(store, all_of(store), settings))
            tokenizer = train_tokenizer(texts, settings)
            figures = report_tokenizer(tokenizer, (document.text for document in store.documents())).whole
            tokenizer.save(output)
    print(
        f"{tokenizer.vocab_size:,} tokens in {output}; on its own text {figures.bytes_per_token:.2f} bytes a token, "
        f"{figures.tokens_per_word:.2f} tokens a word"
        + (f"; {figures.unknown:,} of {figures.tokens:,} tokens are unknown" if figures.unknown else "")
    )


@contextmanager
def _new_folder(output: Path) -> Iterator[None]:
    """A folder that is made now, since what fills it may take minutes, and is as it was, gone or empty, where the block fails."""
    there = output.is_dir()
    output.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for file in output.iterdir():
                file.unlink()
            if not there:
                output.rmdir()
        raise


@app.command(no_args_is_help=True)
def inspect(
    tokenizer: Annotated[str, typer.Argument(help=TOKENIZER_HELP)],
    text: Annotated[str | None, typer.Option(help="Show what this text becomes.", show_default=False)] = None,
    as_json: JSON = False,
) -> None:
    """What a tokenizer is, and what it makes of a text.

    Example:

        groundup tokenizer inspect ./my-tokenizer --text "Hello world!"
    """
    import json

    from rich.table import Table

    from groundup.cli.tables import print_table
    from groundup.tokens.existing import find_tokenizer

    loaded = find_tokenizer(tokenizer, say=_say)
    facts: dict[str, object] = {
        "vocab_size": loaded.vocab_size,
        "end_id": loaded.end_id,
        "pad_id": loaded.pad_id,
        "unknown_id": loaded.unknown_id,
        "sha256": loaded.sha256,
    }
    tokens = list(_tokens(loaded, text)) if text is not None else []
    if as_json:
        print(json.dumps({**facts, **({"text": text, "tokens": tokens} if text is not None else {})}))
        return
    table = Table(box=None, show_header=False)
    for name, value in facts.items():
        table.add_row(
            name.replace("_", " "), "none" if value is None else f"{value:,}" if isinstance(value, int) else str(value)
        )
    print_table(table)
    if text is not None:
        pieces = Table("id", "token", box=None)
        for token_id, piece in tokens[:SHOWN_TOKENS]:
            pieces.add_row(str(token_id), repr(piece))
        print_table(pieces)
        more = f", of which the first {SHOWN_TOKENS} are shown" if len(tokens) > SHOWN_TOKENS else ""
        print(f"{len(tokens):,} tokens for {len(text.encode()):,} bytes{more}")


@app.command(no_args_is_help=True)
def report(
    tokenizer: Annotated[str, typer.Argument(help=TOKENIZER_HELP)],
    data: Annotated[str, typer.Option(help=SOURCE_HELP)],
    beside: Annotated[
        list[str] | None,
        typer.Option(help="Another tokenizer to stand beside it; may be repeated.", show_default=False),
    ] = None,
    as_json: JSON = False,
) -> None:
    """How well a tokenizer suits a text: bytes a token and tokens a word in each language and script, failures, unused and
    longest tokens.

    Example:

        groundup tokenizer report ./my-tokenizer --data ./my-texts --beside ./another-tokenizer --beside cl100k_base.tiktoken
    """
    import json
    from dataclasses import asdict

    from rich.table import Table

    from groundup.cli.tables import print_table
    from groundup.tokens.existing import find_tokenizer
    from groundup.tokens.report import report_tokenizer

    loaded = {name: find_tokenizer(name, say=_say) for name in [tokenizer, *(beside or [])]}
    store = _read(data)
    reports = {
        name: report_tokenizer(
            each, (document.text for document in store.documents()), map(_language, store.documents())
        )
        for name, each in loaded.items()
    }
    if as_json:
        print(json.dumps({name: asdict(each) for name, each in reports.items()}))
        return
    table = Table(
        "tokenizer", "text", "bytes", "tokens", "bytes a token", "tokens a word", "unknown", "changed", box=None
    )
    for name, each in reports.items():
        groups = {
            **(each.languages if len(each.languages) > 1 else {}),
            **(each.scripts if len(each.scripts) > 1 else {}),
        }
        for group, figures in {"all": each.whole, **groups}.items():
            table.add_row(
                name if group == "all" else "",
                group,
                f"{figures.bytes:,}",
                f"{figures.tokens:,}",
                f"{figures.bytes_per_token:.2f}",
                f"{figures.tokens_per_word:.2f}",
                f"{figures.unknown:,}",
                f"{figures.changed:,}",
            )
    print_table(table)
    for name, each in reports.items():
        longest = ", ".join(map(repr, each.longest[:10]))
        changed = f"; {each.whole.changed:,} documents don't come back as they were" if each.whole.changed else ""
        print(
            f"{name}: {each.unused:,} of {each.vocab_size:,} tokens are not needed here{changed}; the longest: {longest}"
        )


def _kinds_that_use(name: str) -> str:
    return " and ".join(kind for kind, names in USED_BY_KIND.items() if name in names)


def _language(document: Document) -> str:
    """What is known of a document's language, empty for nothing."""
    return str(document.metadata.get("language", ""))


def _read(source: str) -> DocumentStore:
    from groundup.text.bad_input import without_settings
    from groundup.text.cache import cache_directory
    from groundup.text.collect import collect
    from groundup.text.settings import DataSettings

    with without_settings():
        return collect(DataSettings(source=source), cache_directory(), _say, Path())


def _say(line: str) -> None:
    print(f"groundup: {line}", file=sys.stderr)


def _tokens(tokenizer: Tokenizer, text: str) -> Iterator[tuple[int, str]]:
    for token_id in tokenizer.encode(text):
        yield token_id, tokenizer.decode([token_id], skip_special_tokens=False)
