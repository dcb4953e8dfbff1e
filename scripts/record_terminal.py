"""Record a command as it looks in a terminal, as an SVG that plays: python scripts/record_terminal.py FILE.svg COMMAND…

    pip install pyte
    python scripts/record_terminal.py docs/demo.svg groundup train shakespeare

The command runs for real, in a terminal of its own. What it showed is played in twenty seconds, whatever it took, and then stays.
"""

from __future__ import annotations

import os
import pty
import re
import sys
import time
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pyte  # type: ignore[import-not-found]

COLUMNS, LINES = 96, 26
CHARACTER, LINE, MARGIN, BAR = 8.0, 18, 14, 30  # pixels
PLAYED, HELD, FRAMES = 20.0, 6.0, 60  # seconds of the playing, of its end, and how many pictures at most
BACKGROUND, INK = "#16181d", "#d5d9e0"
COLORS = {
    "red": "#e06c75",
    "green": "#98c379",
    "brown": "#e5c07b",
    "blue": "#61afef",
    "magenta": "#c678dd",
    "cyan": "#56b6c2",
}


@dataclass(frozen=True)
class Frame:
    """What the terminal showed from a moment on."""

    seconds: float
    lines: tuple[str, ...]
    """Each as SVG's `tspan`s."""


def main() -> None:
    """Run the command, and write what it showed."""
    output, command = Path(sys.argv[1]), sys.argv[2:]
    typed = "$ " + " ".join(command)
    frames = thin(record(command, typed))
    output.write_text(draw(frames, typed), encoding="utf-8")
    print(f"{output}: {len(frames)} pictures of {frames[-1].seconds:.0f} s")


def record(command: list[str], typed: str) -> list[Frame]:
    """The screen after each piece of output."""
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    stream.feed(f"{typed}\r\n".encode())
    frames, start = [Frame(0.0, shown(screen))], time.monotonic()
    os.environ.update(COLUMNS=str(COLUMNS), LINES=str(LINES), TERM="xterm-256color")
    process, terminal = pty.fork()
    if process == 0:
        os.execvp(command[0], command)
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # it has ended
            break
        if not piece:
            break
        sys.stdout.buffer.write(piece)
        sys.stdout.flush()
        stream.feed(piece)
        lines = shown(screen)
        if lines != frames[-1].lines:
            frames.append(Frame(time.monotonic() - start, lines))
    if os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]):
        sys.exit("the command failed: nothing is written")
    return frames


def shown(screen: pyte.Screen) -> tuple[str, ...]:
    """Its lines, with colours."""
    lines = []
    for row in range(screen.lines):
        runs: list[tuple[str, bool, str]] = []  # colour, bold, text
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            color = color_of(cell.fg)
            if runs and runs[-1][:2] == (color, cell.bold):
                runs[-1] = (*runs[-1][:2], runs[-1][2] + cell.data)
            else:
                runs.append((color, cell.bold, cell.data))
        while runs and not runs[-1][2].strip():
            runs.pop()
        weight = {True: ' font-weight="bold"', False: ""}
        lines.append(
            "".join(f'<tspan fill="{color}"{weight[bold]}>{escape(text)}</tspan>' for color, bold, text in runs)
        )
    return tuple(lines)


def color_of(name: str) -> str:
    """As pyte names it: a word, or six hexadecimal digits."""
    return f"#{name}" if re.fullmatch(r"[0-9a-f]{6}", name) else COLORS.get(name.removeprefix("bright"), INK)


def thin(frames: list[Frame]) -> list[Frame]:
    """At most `FRAMES` of them, evenly over the time; the first and the last stay."""
    end = frames[-1].seconds or 1.0
    kept: dict[int, Frame] = {}
    for frame in frames[:-1]:
        kept[int(frame.seconds / end * (FRAMES - 1))] = frame
    return [*kept.values(), frames[-1]]


def draw(frames: list[Frame], title: str) -> str:
    """The frames one over the other; a rule for each says when it can be seen."""
    total, end = PLAYED + HELD, frames[-1].seconds or 1.0
    starts = [PLAYED * frame.seconds / end for frame in frames]
    width, height = COLUMNS * CHARACTER + 2 * MARGIN, LINES * LINE + BAR + MARGIN
    rules, bodies = [], []
    for number, (frame, start) in enumerate(zip(frames, starts, strict=True)):
        last = number == len(frames) - 1
        until = 100.0 if last else 100 * starts[number + 1] / total
        begins = 100 * start / total
        rules.append(
            f"@keyframes f{number}{{0%{{opacity:{int(not begins)}}}{begins:.2f}%{{opacity:1}}{until:.2f}%{{opacity:{int(last)}}}}}"
        )
        rules.append(f"#f{number}{{opacity:{int(last)};animation:f{number} {total:g}s step-end infinite}}")
        lines = "".join(
            f'<text xml:space="preserve" x="{MARGIN}" y="{BAR + (row + 1) * LINE - 4}">{line}</text>'
            for row, line in enumerate(frame.lines)
            if line
        )
        bodies.append(f'<g id="f{number}">{lines}</g>')
    dots = "".join(
        f'<circle cx="{18 + 18 * place}" cy="15" r="5" fill="{color}"/>'
        for place, color in enumerate(("#e06c75", "#e5c07b", "#98c379"))
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"',
            ' font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, \'DejaVu Sans Mono\', monospace" font-size="13">',
            f"<title>{escape(title)}: what it shows in a terminal</title>",
            f"<style>{''.join(rules)}@media(prefers-reduced-motion:reduce){{g{{animation:none!important}}}}</style>",
            f'<rect width="{width:g}" height="{height:g}" rx="8" fill="{BACKGROUND}"/>{dots}',
            *bodies,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    main()
