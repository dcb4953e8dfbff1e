"""Build the site of the documentation, which needs no network to be read: python scripts/build_site.py [FOLDER]

The pages in docs/ are plain Markdown that reads well as it lies. For the site a copy of them is made ready:

- formulas become MathML, which browsers draw by themselves;
- what they link to outside of docs/ (code, figures' files) is shown as pages, too, so that every link leads somewhere;
- the reference is made of docstrings (mkdocstrings), a page for each part of the library.

Then Zensical builds it, by mkdocs.yml, and every link of what came out is followed. Anything amiss is an error.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
FENCE = re.compile(r"^```.*?^```$|`[^`\n]+`", re.DOTALL | re.MULTILINE)
FORMULA = re.compile(r"\$\$(?P<block>.+?)\$\$|(?<![\w$])\$(?P<inline>[^$\n]+?)\$(?![\w$])", re.DOTALL)
FUNCTION = re.compile(r"<mi>(ln|log|cos)</mi>")
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
LANGUAGES = {".py": "python", ".toml": "toml", ".json": "json", ".sh": "sh", ".cff": "yaml"}
LARGEST_SHOWN = 60_000  # bytes of a file that is shown as a page; a larger one is copied as it is
REFERENCE = {
    "index": ("The library", ["groundup"]),
    "settings": (
        "Settings of a recipe",
        [f"groundup.{part}" for part in (
            "text.settings", "tokens.settings", "model.settings", "model.lora_settings", "training.settings",
            "training.privacy.settings", "generation.settings", "serving.settings",
        )],
    ),
    "network": ("The network", ["groundup.model.transformer", "groundup.model.counts", "groundup.model.lora"]),
    "training": (
        "Training", ["groundup.training.loop", "groundup.training.step", "groundup.training.optimizers", "groundup.training.schedules"]
    ),
    "generation": ("Generation", ["groundup.generation.engine", "groundup.generation.sampling"]),
    "textbook": ("The textbook", []),
    "errors": ("Errors", ["groundup.errors"]),
}  # fmt: skip


def main() -> None:
    """Make the site in FOLDER, build/site by default."""
    site = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "site").resolve()
    staged = site.with_name("site-docs")
    build(staged, site)
    print(f"{site / 'index.html'}: {sum(1 for _ in site.rglob('*.html'))} pages")


def build(staged: Path, site: Path) -> None:
    """Copy and make ready the pages in `staged`, build `site` from them, and follow its links."""
    for folder in (staged, site):
        shutil.rmtree(folder, ignore_errors=True)
    stage(staged)
    configuration = staged.with_name("mkdocs.yml")
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    for name in ("src", "scripts/fenced_doctests.py"):
        text = text.replace(f"[{name}]", f"[{ROOT / name}]")
    configuration.write_text(f"{text}docs_dir: {staged.name}\nsite_dir: {site.name}\n", encoding="utf-8")
    zensical = Path(sys.executable).with_name("zensical")
    told = subprocess.run(
        [zensical, "build", "--strict", "--clean", "--config-file", configuration],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if told.returncode or "Warning" in told.stdout + told.stderr:
        sys.exit(re.sub(r"\x1b\[[\d;]*m", "", told.stdout + told.stderr))
    own_worker(site)
    broken = [f"{page.relative_to(site)}: {link}" for page, link in broken_links(site)]
    if broken:
        sys.exit("links that lead nowhere:\n" + "\n".join(sorted(set(broken))))


def stage(staged: Path) -> None:
    """The pages, ready for the generator; what they link to; and the reference."""
    shutil.copytree(DOCS, staged, ignore=shutil.ignore_patterns("code"))
    shown: dict[Path, Path] = {}  # what is outside of docs/, and its page
    for page in sorted(DOCS.rglob("*.md")):
        place = staged / page.relative_to(DOCS)
        place.write_text(made_ready(page, place, staged, shown), encoding="utf-8")
    done: set[Path] = set()
    while left := [source for source in shown if source not in done]:  # a page may show others
        for source in left:
            done.add(source)
            show(source, shown[source], staged, shown)
    (staged / "README.md").rename(staged / "index.md")
    for page in staged.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(re.sub(r"(\]\((?:\.\./)*)README\.md(#[^)]*)?\)", r"\1index.md\2)", text), encoding="utf-8")
    write_reference(staged / "reference")


def made_ready(page: Path, place: Path, staged: Path, shown: dict[Path, Path]) -> str:
    """A page's text with formulas as MathML, and with links to what is outside of docs/ led to pages that show it."""

    def lead(match: re.Match[str]) -> str:
        link, _, anchor = match[2].partition("#")
        if "://" in link or not link or link.startswith("mailto:"):
            return match[0]
        target = (page.parent / unquote(link)).resolve()
        if not target.is_relative_to(ROOT) or not target.exists():
            return match[0]  # the generator will say so
        if target.is_relative_to(DOCS) and not target.is_relative_to(DOCS / "tutorial" / "code"):
            there = staged / target.relative_to(DOCS)
        else:
            there = shown.setdefault(target, staged / "files" / f"{target.relative_to(ROOT)}{_ending(target)}")
        return f"{match[1]}{os.path.relpath(there, place.parent)}{'#' + anchor if anchor else ''}{match[3]}"

    parts, end, text = [], 0, page.read_text(encoding="utf-8")
    for code in FENCE.finditer(text):  # code stays as it is
        parts += [with_formulas(text[end : code.start()]), code[0]]
        end = code.end()
    return LINK.sub(lead, "".join([*parts, with_formulas(text[end:])]))


def with_formulas(text: str) -> str:
    """TeX between dollars as MathML (Chromium, Firefox and Safari draw it without a script)."""

    def formula(match: re.Match[str]) -> str:
        if match["block"]:  # what stands side by side goes below each other where the window is narrow
            parts = (_mathml(part, "block") for part in match["block"].split(r"\qquad"))
            return f'<div class="formula">{"".join(parts)}</div>'
        return (
            f"<span>{_mathml(match['inline'], 'inline')}</span>"  # <math> at a line's beginning would end a paragraph
        )

    return FORMULA.sub(formula, text)


def _mathml(formula: str, display: str) -> str:
    """A formula's MathML, with a little room about functions: ln P, not lnP."""
    from latex2mathml.converter import convert

    return FUNCTION.sub(r'<mo lspace="0.17em" rspace="0.17em">\1</mo>', convert(formula.strip(), display=display))


def _ending(target: Path) -> str:
    """What is put behind a file's name for the page that shows it; nothing where it is copied."""
    if target.is_dir():
        return "/index.md"
    if target.suffix == ".md" or target.stat().st_size > LARGEST_SHOWN:
        return ""
    return ".md"


def show(source: Path, place: Path, staged: Path, shown: dict[Path, Path]) -> None:
    """A page for a file, or for a folder's files; a Markdown file is one already."""
    place.parent.mkdir(parents=True, exist_ok=True)
    name = source.relative_to(ROOT)
    hidden = "---\nsearch:\n  exclude: true\n---\n\n"
    if source.is_dir():
        inside = sorted(one for one in source.iterdir() if one.is_file() and one.suffix in (*LANGUAGES, ".md"))
        lines = []
        for one in inside:
            there = shown.setdefault(one, staged / "files" / f"{one.relative_to(ROOT)}{_ending(one)}")
            lines.append(f"- [{one.name}]({os.path.relpath(there, place.parent)})")
        place.write_text(f"{hidden}# {name}\n\n" + "\n".join(lines) + "\n", encoding="utf-8")
    elif source.suffix == ".md":
        place.write_text(hidden + made_ready(source, place, staged, shown), encoding="utf-8")
    elif place.suffix == ".md":
        text = source.read_text(encoding="utf-8")
        fence = "`" * (3 + max((len(run) for run in re.findall(r"^`+", text, re.MULTILINE)), default=0))
        language = LANGUAGES.get(source.suffix, "text")
        place.write_text(f"{hidden}# {name}\n\n{fence}{language}\n{text}\n{fence}\n", encoding="utf-8")
    else:
        shutil.copy(source, place)


def write_reference(folder: Path) -> None:
    """Pages that mkdocstrings fills from docstrings."""
    folder.mkdir()
    textbook = (ROOT / "src" / "groundup" / "textbook").glob("[!_]*.py")
    for name, (title, modules) in REFERENCE.items():
        found = modules or [f"groundup.textbook.{file.stem}" for file in sorted(textbook)]
        blocks = "\n\n".join(f"::: {module}" for module in found)
        (folder / f"{name}.md").write_text(f"# {title}\n\n{blocks}\n", encoding="utf-8")


def own_worker(site: Path) -> None:
    """Let the search of pages on a disk come from the site itself, and not from somebody else's server."""
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        own = os.path.relpath(site / "worker.js", page.parent)
        page.write_text(text.replace("https://unpkg.com/iframe-worker/shim", own), encoding="utf-8")


class _Links(HTMLParser):
    """A page's links, and the places in it that can be linked to."""

    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        self.links += [link for name in ("href", "src") if (link := found.get(name))]
        self.loads += [link for link in (found.get("src"), found.get("href") if tag == "link" else None) if link]
        self.anchors |= {anchor for name in ("id", "name") if (anchor := found.get(name))}


def broken_links(site: Path) -> Iterator[tuple[Path, str]]:
    """Links within the site to a page, a file or a place on a page that isn't there; and whatever is loaded from elsewhere."""
    pages: dict[Path, _Links] = {}
    for page in site.rglob("*.html"):
        pages[page] = _Links()
        pages[page].feed(page.read_text(encoding="utf-8"))
    for page, found in pages.items():
        if page.name == "404.html":  # shown at any address, so its links begin at the site's
            continue
        yield from ((page, link) for link in found.loads if "://" in link and not link.startswith("data:"))
        for link in found.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            missing = not target.exists() or (
                parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors
            )
            if missing and not (target == page and parts.fragment == "__skip"):
                yield page, link


if __name__ == "__main__":
    main()
