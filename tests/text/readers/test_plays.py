from __future__ import annotations

import re
import textwrap
from pathlib import Path

from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import archive_path
from groundup.text.readers.plays import play_to_text, read_plays

MARKDOWN = r"""
# A Play

## ACT I

### SCENE I. A heath.

where it thunders, and
nobody has spoken yet.

_Enter, from one side, the FIRST WITCH; from the other,
her cat_

**First Witch**␣␣
When shall we meet,␣␣
'again,'\--tell me?

_Thunder_

In lightning?

**ROSENCRANTZ: & GUILDENSTERN:**␣␣
_\[Aside]_␣␣
My lord,--␣␣
[To her]_␣␣
__\[Awaking]_␣␣
And _\[Censorinus,]_␣␣
named &amp; known.␣␣
1\. A flourish.␣␣
with trumpets

*Exeunt
all.*

# EPILOGUE

**Cat**␣␣
*[Coming forward.]*␣␣
Miaow.␣␣
""".replace("␣", " ")


def test_a_play_by_hand() -> None:
    title, text = play_to_text(MARKDOWN.lstrip("\n"))
    assert title == "A Play"
    assert text == textwrap.dedent(
        """\
        First Witch:
        When shall we meet,
        'again,'--tell me?
        In lightning?

        ROSENCRANTZ & GUILDENSTERN:
        My lord,--
        And Censorinus,
        named & known.

        Cat:
        Miaow.

        """
    )


def test_a_prologue_without_a_speaker_is_kept() -> None:
    title, text = play_to_text("## ACT I\n\n### Prologue\n\nI come no more  \nto make you laugh.\n\n**KING**  \nSo.\n")
    assert title == ""
    assert text == "Prologue:\nI come no more\nto make you laugh.\n\nKING:\nSo.\n\n"


def test_all_plays_are_plain_dialogue(plays_cache: Path) -> None:
    plays = read_plays(archive_path(CATALOGUE["shakespeare"], plays_cache))
    titles = [play.name for play in plays]
    assert len(set(titles)) == 38
    assert {"Hamlet", "Measure for measure", "A Midsummer Night's Dream", "Henry IV, Part 2"} <= set(titles)
    text = "".join(play.text for play in plays)
    assert len(text.encode()) == 4_782_738
    assert len(set(text)) == 71
    # No mark of Markdown, no space at the end of a line, no gap wider than one blank line.
    assert not re.search(r"[*_#\\\[\]\t\r]| \n|  |\n\n\n|&amp;", text)
    speeches = text.removesuffix("\n\n").split("\n\n")
    # 31,354 lines of the archive name a speaker in bold, and one prologue has none.
    assert len(speeches) == 31_355
    assert all(re.match(r"[^\n:]+:\n\S", speech) for speech in speeches)
    hamlet = next(play.text for play in plays if play.name == "Hamlet")
    assert hamlet.startswith("BERNARDO:\nWho's there?\n\nFRANCISCO:\nNay, answer me: stand, and unfold yourself.\n\n")
    assert "HAMLET:\nTo be, or not to be: that is the question:\nWhether 'tis nobler in the mind to suffer\n" in hamlet
    assert hamlet.endswith("Go, bid the soldiers shoot.\n\n")
    assert "Exeunt" not in hamlet
