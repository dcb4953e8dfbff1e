"""Sources that lie elsewhere: an address with its sha256, a dataset or a tokenizer of a hub. Fetched once into the cache, never run."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from groundup.errors import DataError
from groundup.files import sha256_file
from groundup.text.cache import unwritable
from groundup.text.compression import COMPRESSED
from groundup.text.formats import SUFFIXES, File

SECONDS = 60
CARDS = ("README*", "LICENSE*")
"""What a hub's dataset says about itself; it is none of the texts."""
HUB = "hf://"
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
FRAGMENT = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)


def is_address(source: str) -> bool:
    """Whether a source is a URL."""
    return source.startswith(("https://", "http://"))


def is_hub_id(source: str) -> bool:
    """Whether it lies on the Hugging Face hub: `hf://owner/name`, or `hf://owner/name@revision`."""
    return source.startswith(HUB)


def is_here(name: str, cache: Path) -> bool:
    """Whether a model's or a tokenizer's name is no hub's, or was fetched from there before."""
    owner_and_name = name.removeprefix(HUB).partition("@")[0].replace("/", "--")
    return not is_hub_id(name) or (cache / "hub" / f"models--{owner_and_name}").is_dir()


def fetch_address(source: str, cache: Path, say: Callable[[str], None]) -> File:
    """The file at `https://…#sha256=…`, from the cache when it is there. Raises `DataError` when it can't be had or is another."""
    try:
        parts = urlsplit(source)
    except ValueError as error:
        raise DataError(f"data.source = {source!r} is no address ({error}): check it") from None
    if parts.username is not None:
        raise DataError(
            f"the address at {parts.hostname} holds a name or a password, which would stand in every file that is made of it: fetch "
            "the file by hand and name it"
        )
    name = Path(unquote(parts.path)).name or "file.txt"
    wanted = FRAGMENT.fullmatch(parts.fragment)
    if wanted is None:
        raise DataError(
            f"data.source = {source!r}: write the file's sha256 behind it, {source.partition('#')[0]}#sha256=…, so that it is "
            "known to be the same each time (sha256sum FILE prints it)"
        )
    digest = wanted[1].lower()
    target = cache / "addresses" / digest / name
    try:
        if not (target.is_file() and sha256_file(target) == digest):
            say(f"fetching {name} from {parts.netloc}")
            _download(source.partition("#")[0], target, digest)
    except OSError as error:
        raise unwritable(target, error) from error
    return File(name, target, source, named=True)


def _download(address: str, target: Path, wanted: str) -> None:
    from http.client import HTTPException
    from urllib.error import HTTPError
    from urllib.request import urlopen

    target.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".fetch-") as folder:
        part = Path(folder, "part")
        with part.open("wb") as file:
            try:
                with urlopen(address, timeout=SECONDS) as answer:
                    while piece := answer.read(2**20):
                        digest.update(piece)
                        file.write(piece)
            except (OSError, HTTPException, ValueError) as error:
                reason = str(getattr(error, "reason", "") or error)
                if isinstance(error, HTTPError):
                    error.close()
                raise DataError(
                    f"{address} could not be fetched ({reason}): check the address and the network, or fetch it by hand and name the file"
                ) from error
        if digest.hexdigest() != wanted:
            raise DataError(
                f"{address} has sha256 {digest.hexdigest()}, which is not the one written behind it ({wanted}): it is not used"
            )
        part.replace(target)


def fetch_hub_dataset(source: str, cache: Path, say: Callable[[str], None]) -> Path:
    """A hub dataset's text files in the cache. No script of it is fetched, let alone run. Raises `DataError` when it can't be had."""
    kinds = [f"*{suffix}{packed}" for suffix in SUFFIXES if suffix != ".py" for packed in ("", *COMPRESSED)]
    return fetch_hub(source, "dataset", kinds, cache, say)


def fetch_hub(
    source: str,
    kind: Literal["dataset", "model"],
    patterns: Sequence[str],
    cache: Path,
    say: Callable[[str], None],
) -> Path:
    """The folder in the cache with those files of `hf://owner/name` or `hf://owner/name@revision` whose names fit `patterns`.

    What was fetched before serves when the hub can't be reached. Raises `DataError` when nothing can be had.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError

    name, at, revision = source.removeprefix(HUB).partition("@")
    if HUB_NAME.fullmatch(name) is None or (at and not revision):
        raise DataError(f"{source!r} is no name on the hub: write hf://owner/name, or hf://owner/name@revision")
    say(f"fetching the {kind} {source}")
    try:
        return Path(
            snapshot_download(
                name,
                repo_type=kind,
                revision=revision or None,
                allow_patterns=list(patterns),
                ignore_patterns=list(CARDS) if kind == "dataset" else None,
                cache_dir=cache / "hub",
            )
        )
    except (OSError, ValueError, HFValidationError, RuntimeError) as error:
        first = str(error).strip().partition("\n")[0] or type(error).__name__
        raise DataError(
            f"{source} could not be fetched from the hub ({first}): check the name (owner/name) and the network, "
            "or name files that you have"
        ) from error
