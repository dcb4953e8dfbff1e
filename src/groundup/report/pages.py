"""What the report and the model card share: the templates, and how figures are written for a reader."""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources

import jinja2

NOTHING = "–"  # what stands where a file has no number


@cache
def html_templates() -> jinja2.Environment:
    """Templates whose values are escaped, every one, as HTML text."""
    return _environment(autoescape=True)


@cache
def markdown_templates() -> jinja2.Environment:
    """Templates whose values go through `escaped`, `code` or `fenced` to become Markdown."""
    environment = _environment(autoescape=False)
    environment.filters.update(escaped=escaped, code=code, fenced=fenced, quoted=quoted)
    return environment


def _environment(autoescape: bool) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("groundup.report"),
        autoescape=autoescape,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(count=count, figure=figure, share=share, duration=duration, size=size)
    return environment


def read_template(name: str) -> str:
    """A file beside the templates as it stands."""
    return (resources.files("groundup.report") / "templates" / name).read_text(encoding="utf-8")


def count(value: float | None) -> str:
    """1234567 as 1,234,567."""
    return NOTHING if value is None else f"{value:,.0f}"


def figure(value: float | None, digits: int = 4) -> str:
    """A measured number to so many significant digits, e.g. 1.530, 0.00021, 41,000."""
    if value is None:
        return NOTHING
    if abs(value) >= 1000:
        return f"{value:,.0f}" if abs(value) < 1e12 else f"{value:.{digits - 1}e}"
    if 0 < abs(value) < 1e-4:
        return f"{value:.{digits - 1}e}"
    shown = f"{value:#.{digits}g}".rstrip(".")
    return f"{value:,.0f}" if "e" in shown else shown  # 130 to two digits would be 1.3e+02


def share(value: float | None) -> str:
    """0.3127 as 31.3 %."""
    return NOTHING if value is None else f"{100 * value:.1f} %"


def duration(seconds: float | None) -> str:
    """Seconds as 12.3 s, 2 min 51 s, 3 h 5 min or 2 d 4 h."""
    if seconds is None:
        return NOTHING
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    large, small, names = next(
        unit for unit in ((86400, 3600, "d h"), (3600, 60, "h min"), (60, 1, "min s")) if whole >= unit[0]
    )
    large_name, small_name = names.split()
    return f"{whole // large:,} {large_name} {whole % large // small} {small_name}"


def size(num_bytes: float | None) -> str:
    """Bytes as 812 bytes, 4.79 MB."""
    if num_bytes is None:
        return NOTHING
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if num_bytes >= unit:
            return f"{figure(num_bytes / unit, 3)} {name}"
    return f"{num_bytes:.0f} byte{'' if num_bytes == 1 else 's'}"


def quoted(value: str) -> str:
    """Text between quotation marks, its line breaks and tabs written out: what would not be seen is seen."""
    return json.dumps(value, ensure_ascii=False)


def escaped(value: object) -> str:
    """Text as Markdown that shows it literally, on one line: no heading, list, link or HTML tag comes of it."""
    line = re.sub(r"([\\`*_{}\[\]<>|~$&#!])", r"\\\1", " ".join(str(value).split()))
    return re.sub(r"^(?=[-+](\s|$)|-{2})|^(\d+)(?=[.)](\s|$))", r"\2\\", line)  # no list, no rule


def code(value: object) -> str:
    """Text as a Markdown code span in a table."""
    line = " ".join(str(value).split()).replace("|", "\\|")
    if not line:
        return NOTHING
    ticks = "`" * (_longest_run(line) + 1)
    room = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{ticks}{room}{line}{room}{ticks}"


def fenced(value: str, language: str = "text") -> str:
    """Text as a Markdown code block whose fence is longer than any run of backticks in it."""
    fence = "`" * max(3, _longest_run(value) + 1)
    return f"{fence}{language}\n{value}{'' if value.endswith(chr(10)) else chr(10)}{fence}"


def _longest_run(value: str) -> int:
    return max(map(len, re.findall("`+", value)), default=0)
