"""Short conversations in many languages, made to give a chat program something to say.

The archive keeps a topic as a YAML file, of which this reads what the files use: `categories`, and `conversations`, a
list of lists of strings.
"""

from __future__ import annotations

import re
from pathlib import Path

from groundup.text.archive import read_members
from groundup.text.texts import Text

LANGUAGES = {
    "bengali": "bn",
    "chinese": "zh",
    "dutch": "nl",
    "english": "en",
    "french": "fr",
    "german": "de",
    "hebrew": "he",
    "hindi": "hi",
    "hinglish": "hi-Latn",
    "indonesian": "id",
    "italian": "it",
    "japanese": "ja",
    "korean": "ko",
    "marathi": "mr",
    "oriya": "or",
    "persian": "fa",
    "portuguese": "pt",
    "russian": "ru",
    "spanish": "es",
    "swedish": "sv",
    "tamil": "ta",
    "telugu": "te",
    "thai": "th",
    "traditionalchinese": "zh-Hant",
    "turkish": "tr",
    "ukrainian": "uk",
    "urdu": "ur",
    "yoruba": "yo",
}
FIRST = re.compile(r"- (?:-(?: |$))?")  # a conversation's first turn; a few files forget the second dash
NEXT = "  - "  # each turn that follows
ESCAPE = re.compile(r"\\(.)")


def read_conversations(archive: Path) -> list[Text]:
    """Each topic in each language, named like `en/food`: its conversations with a blank line between them, a turn a line.

    A turn that is itself of several lines (code, mostly) stays so.
    """
    texts = []
    for name, content in read_members(archive, "chatterbot_corpus/data/*/*.yml").items():
        folder, topic = Path(name).parts[-2], Path(name).stem
        conversations = parse_conversations(content.decode("utf-8-sig"))
        text = "".join("\n".join(turns) + "\n\n" for turns in conversations)
        if text and folder in LANGUAGES:
            texts.append(Text(f"{LANGUAGES[folder]}/{topic}", text, {"language": LANGUAGES[folder]}))
    return texts


def parse_conversations(content: str) -> list[list[str]]:
    """The conversations of one file, each a list of its turns; turns without text are left out."""
    turns: list[list[str]] = []  # the lines of each turn
    conversations: list[list[list[str]]] = []
    in_conversations = False
    for line in content.splitlines():
        if line and not line[0].isspace() and not line.startswith("-"):
            in_conversations = line.startswith("conversations:")
        elif not in_conversations:
            continue
        elif first := FIRST.match(line):
            turns = [[line[first.end() :]]]
            conversations.append(turns)
        elif line.startswith(NEXT) and turns:
            turns.append([line.removeprefix(NEXT)])
        elif turns:
            turns[-1].append(line)
    said = [[turn for lines in turns if (turn := _scalar(lines))] for turns in conversations]
    return [turns for turns in said if turns]


def _scalar(lines: list[str]) -> str:
    """A YAML string: a block (`|`), quoted, or plain and folded over lines."""
    first = lines[0].strip()
    if first in ("|", "|-"):
        body = lines[1:]
        indent = min((len(line) - len(line.lstrip()) for line in body if line.strip()), default=0)
        return "\n".join(line[indent:].rstrip() for line in body).strip("\n")
    folded = " ".join(part for line in lines if (part := line.strip()))
    if len(folded) > 1 and folded[0] == folded[-1] == "'":
        return folded[1:-1].replace("''", "'").strip()
    if len(folded) > 1 and folded[0] == folded[-1] == '"':
        return ESCAPE.sub(lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), folded[1:-1]).strip()
    return folded
