"""What the chapters' drawings share: a sheet of white paper, and text, boxes and arrows on it, as SVG."""

from __future__ import annotations

INK, BLUE, ORANGE, FAINT = "#55606e", "#0b6bb5", "#c4500c", "#dde2e8"


def sheet(width: float, height: float, title: str, description: str, body: list[str]) -> str:
    """The whole drawing."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" role="img"',
            f' font-family="system-ui, sans-serif" font-size="13" fill="{INK}">',
            f"<title>{title}</title>",
            f"<desc>{description}</desc>",
            f'<rect width="{width:g}" height="{height:g}" fill="#ffffff"/>',
            *body,
            "</svg>",
        ]
    )


def text(x: float, y: float, said: str, anchor: str = "start", color: str = INK, bold: bool = False) -> str:
    """Words at a place; `anchor` says which part of them is there: start, middle or end."""
    weight = ' font-weight="bold"' if bold else ""
    said = said.replace("&", "&amp;").replace("<", "&lt;")
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{color}"{weight}>{said}</text>'


def box(x: float, y: float, width: float, height: float, color: str = BLUE, strength: float = 1.0) -> str:
    """A filled rectangle; the `strength` of its colour goes from 0 to 1."""
    return f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="2" fill="{color}" fill-opacity="{strength:.2f}"/>'
