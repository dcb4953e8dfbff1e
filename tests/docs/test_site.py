"""The site: built without a warning, every link of it leads somewhere, nothing comes from elsewhere, and its search works from a disk."""

from __future__ import annotations

import importlib.util
import re
import shutil
import sys
from pathlib import Path
from types import ModuleType

import markdown  # type: ignore[import-untyped]
import pytest
from playwright.sync_api import sync_playwright
from tests.browser.conftest import FLAGS

ROOT = Path(__file__).parents[2]


def load_script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_site", ROOT / "scripts" / "build_site.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


build_site = load_script()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "site"
    build_site.build(folder.with_name("site-docs"), folder)  # exits with what is wrong
    return folder


def test_every_page_is_in_the_contents_at_the_side() -> None:
    listed = set(re.findall(r"([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"README.md"}
    assert pages | {"index.md"} | {f"reference/{name}.md" for name in build_site.REFERENCE} == listed


def test_formulas_are_mathml_and_code_stays_as_it_is() -> None:
    made = build_site.with_formulas(r"so $d_k$ costs $5, and $$a = \frac{1}{2}$$")
    assert made.count("<math") == 2
    assert 'display="block"' in made
    assert "costs $5, and" in made
    assert [match[0] for match in build_site.FENCE.finditer("a `$x$` b\n```sh\necho $HOME $x$\n```\n")] == [
        "`$x$`",
        "```sh\necho $HOME $x$\n```",
    ]


def test_a_formula_at_a_lines_beginning_stays_in_its_paragraph() -> None:
    page = markdown.markdown(
        build_site.with_formulas("Here\n$c_w$ says how often $a$ comes."), extensions=["md_in_html"]
    )
    assert page.count("<p>") == 1
    assert page.endswith(" comes.</p>")
    assert page.count("<math") == 2


def test_parts_of_a_formula_may_go_below_each_other_and_functions_have_room() -> None:
    made = build_site.with_formulas(r"$$a = \ln 2, \qquad b = \log_2 3$$")
    assert made.count('<math xmlns="http://www.w3.org/1998/Math/MathML" display="block">') == 2
    assert made.count('<mo lspace="0.17em" rspace="0.17em">') == 2
    assert "<msub><mo" in made  # the subscript stays the logarithm's


def test_a_link_that_leads_nowhere_is_found(tmp_path: Path) -> None:
    (tmp_path / "other.html").write_text("<h1 id=top>a</h1>")
    links = ["other.html#top", "other.html#end", "gone.html", "#here", "https://example.org/x"]
    (tmp_path / "page.html").write_text(
        "".join(f'<a href="{link}">' for link in links) + '<script src="https://cdn/x.js">'
    )
    assert [link for _, link in build_site.broken_links(tmp_path)] == [
        "https://cdn/x.js",
        "other.html#end",
        "gone.html",
        "#here",
    ]


def test_the_search_finds_a_function_in_pages_that_lie_on_a_disk(site: Path) -> None:
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert path, "there is no Chromium: apt-get install --no-install-recommends chromium fonts-dejavu-core"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 390, "height": 844})
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.goto((site / "tutorial" / "02-attention-and-the-transformer.html").as_uri())
        assert page.locator("math").count() > 5
        width = page.evaluate("document.documentElement.scrollWidth")
        page.keyboard.press("Control+k")
        page.wait_for_timeout(300)
        page.keyboard.type("bradley_terry", delay=20)
        page.locator("a[href*='judgement.bradley_terry']").first.wait_for(timeout=20_000)
        browser.close()
    assert width <= 390, "nothing is wider than a phone"
    assert {url.partition(":")[0] for url in asked} <= {"file", "data", "about", "blob"}
