"""The documentation as a site: built offline without a warning, no dead link, light to load, and accessible."""

import functools
import http.server
import importlib.util
import re
import shutil
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from docs.site.build import build, linked, place

if importlib.util.find_spec("zensical") is None:
    pytest.skip("needs pip install '.[docs]'", allow_module_level=True)

ROOT = Path(__file__).parents[2]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
in_browser = pytest.mark.skipif(BROWSER is None, reason="needs a browser: apt-get install chromium")
WORDS = ["--no-sandbox", "--disable-dev-shm-usage"]


class Links(HTMLParser):
    """What a page links to and loads, the anchors it has, and its tables, lists and blocks of code."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.counts = dict.fromkeys(("table", "pre", "img"), 0)
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        have = {name: value or "" for name, value in attrs}
        self.ids |= {have[name] for name in ("id", "name") if name in have}
        if tag == "a" and "href" in have:
            self.links.append(have["href"])
        elif tag == "link" and have.get("rel") in ("stylesheet", "icon"):
            self.loads.append(have["href"])
        elif tag in ("script", "img", "source", "iframe"):
            self.loads += [have[name] for name in ("src", "srcset") if name in have]
        if tag in self.counts:
            self.counts[tag] += 1


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    said = build(folder)
    assert "No issues found" in said and "warning" not in said.lower()
    return folder / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Links]:
    found = {
        path: Links(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if "reports" not in path.parts
    }
    assert len(found) > 60
    return found


def test_every_link_and_anchor_leads_somewhere(site: Path, pages: dict[Path, Links]) -> None:
    checked, dead = 0, []
    for page, it in pages.items():
        for target in it.links + it.loads:
            parts = urlsplit(target)
            if parts.scheme or parts.netloc or page.name == "404.html":
                continue
            checked += 1
            goal = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            goal = goal / "index.html" if goal.is_dir() else goal
            if not goal.exists() or (
                parts.fragment and goal in pages and unquote(parts.fragment) not in pages[goal].ids
            ):
                dead.append(f"{page.relative_to(site)} -> {target}")
    assert checked > 3000
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Links]) -> None:
    loads = {target for it in pages.values() for target in it.loads}
    assert len(loads) > 50
    assert [target for target in loads if urlsplit(target).netloc] == []
    sheets = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert sheets and not [found for text in sheets for found in re.findall(r"url\([\"']?(?:https?:)?//[^)]*", text)]


def test_the_front_page_weighs_less_than_300_kb(site: Path, pages: dict[Path, Links]) -> None:
    front = site / "index.html"
    files = {front, *((site / target).resolve() for target in pages[front].loads)}
    assert len(files) >= 6
    assert sum(path.stat().st_size for path in files) < 300_000


def test_every_text_is_a_page_with_all_its_tables_code_and_pictures(site: Path, pages: dict[Path, Links]) -> None:
    """GitHub's kind of Markdown, as markdown-it reads it, is the oracle for what must be on a page."""
    from markdown_it import MarkdownIt

    reader = MarkdownIt("commonmark").enable("table")
    texts = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    assert len(texts) > 30
    for text in texts:
        tokens = reader.parse(text.read_text(encoding="utf-8"))
        counted = {
            kind: sum(token.type == name for token in tokens)
            for kind, name in (("table", "table_open"), ("pre", "fence"))
        }
        it = pages[site / place(text.relative_to(ROOT)).with_suffix(".html")]  # type: ignore[arg-type]
        assert {kind: it.counts[kind] for kind in counted} == counted, text


def test_code_is_left_alone() -> None:
    text = '[a](x.md)\n```sh\n[a](x.md)\n```\n`[a](x.md)` <img src="x.svg"> [b](x.md#c)'
    wanted = '[a](Y)\n```sh\n[a](x.md)\n```\n`[a](x.md)` <img src="Y"> [b](Y)'
    assert linked(text, lambda _: "Y") == wanted


# ----------------------------------------------------------------------------------------------------- in a browser


@pytest.fixture(scope="module")
def served(site: Path) -> Iterator[str]:
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs pip install '.[test]'")
    with playwright.sync_playwright() as driver:
        started = driver.chromium.launch(executable_path=BROWSER, args=WORDS)
        yield started
        started.close()


@in_browser
@pytest.mark.parametrize(
    ("name", "scheme"),
    [("index", "light"), ("index", "dark"), ("fit", "light"), ("ladders/f", "dark"), ("api", "dark")],
)
def test_axe_finds_nothing(browser: Any, served: str, name: str, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs pip install '.[test]'")
    view = browser.new_context(viewport={"width": 1000, "height": 900}, color_scheme=scheme).new_page()
    asked: list[str] = []
    view.on("request", lambda request: asked.append(request.url))
    view.goto(f"{served}/{name}.html")
    assert view.evaluate("document.body.dataset.mdColorScheme") == {"light": "default", "dark": "slate"}[scheme]
    found = axe.Axe().run(view)
    checked = {rule["id"] for rule in found.response["passes"]}
    assert {"color-contrast", "document-title", "html-has-lang", "heading-order"} <= checked
    assert found.violations_count == 0, found.generate_report()
    assert asked and all(url.startswith(served) for url in asked)
    view.context.close()


@in_browser
def test_the_search_finds_a_section_and_goes_there(browser: Any, served: str) -> None:
    view = browser.new_context(viewport={"width": 400, "height": 800}).new_page()
    troubles: list[Any] = []
    view.on("pageerror", lambda problem: troubles.append(problem))
    view.goto(f"{served}/ladders/f.html")
    view.keyboard.press("Control+k")
    view.keyboard.type("effective receptive field")
    view.wait_for_selector("#fw-found li a")
    assert re.fullmatch(r"\d+ sections?", view.inner_text("#fw-found [role=status]"))
    assert "receptive field" in view.inner_text("#fw-found").lower()
    view.keyboard.press("ArrowDown")
    goal = view.evaluate("document.activeElement.href")
    with view.expect_navigation():
        view.keyboard.press("Enter")
    assert view.url == goal != f"{served}/ladders/f.html"
    view.fill("#fw-search", "zzzz")
    view.wait_for_function("document.querySelector('#fw-found [role=status]').textContent === 'Nothing found'")
    assert troubles == []
    view.context.close()


@in_browser
def test_dark_is_kept_from_page_to_page_and_no_page_is_wider_than_a_phone(browser: Any, served: str) -> None:
    view = browser.new_context(viewport={"width": 400, "height": 800}, color_scheme="light").new_page()
    view.goto(f"{served}/index.html")
    view.click("[data-md-component=palette] label:not([hidden])")
    for name in ("index", "ladders/f", "log", "api", "fit", "start"):
        view.goto(f"{served}/{name}.html")
        assert view.evaluate("document.body.dataset.mdColorScheme") == "slate"
        assert view.evaluate("document.documentElement.scrollWidth") <= 400, name
    view.context.close()


@in_browser
@pytest.mark.parametrize("width", [1300, 390])
def test_no_table_is_cut_off(browser: Any, served: str, site: Path, width: int) -> None:
    view = browser.new_context(viewport={"width": width, "height": 900}).new_page()
    names = [path.relative_to(site).as_posix() for path in (*site.glob("*.html"), *site.glob("[lr]*/*.html"))]
    names += [f"source/results/{name}.csv.html" for name in ("f3/epochs", "a2/seeds", "c2/answers", "mnist")]
    checked = 0
    for name in names:
        view.goto(f"{served}/{name}")
        found = view.evaluate("""[...document.querySelectorAll("article table")].map(
            table => [table.scrollWidth - table.clientWidth, table.getBoundingClientRect().right - innerWidth])""")
        checked += len(found)
        assert all(over <= 0 and right <= 0 for over, right in found), (name, found)
    assert checked > 100
    view.context.close()
