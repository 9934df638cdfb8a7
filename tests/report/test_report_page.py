"""The page in a real browser: nothing is asked for, everything is drawn, nothing is cut or covered, axe-core passes."""

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from featherweight.experiments.record import read_record, write_record
from featherweight.report.page import page, read_story, sections
from featherweight.training.runs.trained import load_trained, save_weights
from made import record

playwright = pytest.importorskip("playwright.sync_api", reason="needs pip install '.[test]'")
axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs pip install '.[test]'")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
if BROWSER is None:
    pytest.skip("needs a browser: apt-get install chromium", allow_module_level=True)

MEASURE = """() => {
  const found = {overlaps: [], cut: [], blank: [], texts: 0, pictures: 0};
  if (document.documentElement.scrollWidth > document.documentElement.clientWidth) found.cut.push('the page');
  for (const table of document.querySelectorAll('section > .table:not(.t-differences) .scroll'))
    if (table.scrollWidth > table.clientWidth + 1)
      found.cut.push('columns of ' + table.getAttribute('aria-labelledby'));
  const meet = (a, b) => Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1.5
    && Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 1.5;
  const clipped = (rect, box) => box ? {left: Math.max(rect.left, box.left), right: Math.min(rect.right, box.right),
    top: Math.max(rect.top, box.top), bottom: Math.min(rect.bottom, box.bottom)} : rect;
  const texts = [];
  // HTML: one box a line of each text; what a scroll box hides is not there.
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, parent = node.parentElement;
    if (!node.textContent.trim() || parent.closest('svg, style, script')) continue;
    if (!parent.checkVisibility()) continue;
    const scroll = parent.closest('.scroll');
    const range = document.createRange();
    range.selectNodeContents(node);
    for (const rect of range.getClientRects()) {
      const seen = clipped(rect, scroll && scroll.getBoundingClientRect());
      if (seen.right - seen.left < 1 || seen.bottom - seen.top < 1) continue;
      texts.push({text: node.textContent.trim().slice(0, 40), rect: seen});
      if (!scroll && (rect.left < -0.5 || rect.right > document.documentElement.clientWidth + 0.5))
        found.cut.push('beyond the window: ' + node.textContent.trim().slice(0, 40));
    }
  }
  // Figures: each text within its card; turned ones are left out of the overlaps, since their boxes are not them.
  for (const svg of document.querySelectorAll('figure svg')) {
    found.pictures += 1;
    const box = svg.getBoundingClientRect(), card = svg.closest('figure').getBoundingClientRect();
    if (box.width < 100 || box.height < 30 || !svg.querySelector('path, image, use')) found.blank.push(svg.ariaLabel);
    for (const text of svg.querySelectorAll('text')) {
      const rect = text.getBoundingClientRect(), words = text.textContent.trim();
      if (!words) continue;
      if (rect.left < card.left - 1 || rect.right > card.right + 1 || rect.top < card.top - 1
          || rect.bottom > card.bottom + 1) found.cut.push('beyond its card: ' + words);
      const matrix = text.getCTM();
      if (Math.abs(matrix.b) < 0.01) texts.push({text: words, rect});
      if (parseFloat(getComputedStyle(text).fontSize) * Math.hypot(matrix.a, matrix.b) < 7.5)
        found.cut.push('too small: ' + words);
    }
  }
  texts.sort((a, b) => a.rect.top - b.rect.top);
  for (let i = 0; i < texts.length; i++)
    for (let j = i + 1; j < texts.length && texts[j].rect.top < texts[i].rect.bottom; j++)
      if (meet(texts[i].rect, texts[j].rect)) found.overlaps.push(texts[i].text + ' | ' + texts[j].text);
  found.texts = texts.length;
  for (const image of document.images) {
    found.pictures += 1;
    const seen = image.checkVisibility();
    if (!image.complete || !image.naturalWidth || (seen && image.getBoundingClientRect().width < 20))
      found.blank.push(image.alt);
  }
  for (const element of [document.documentElement, ...document.body.querySelectorAll('*')]) {
    if (element.closest('svg, .scroll') || getComputedStyle(element).display === 'inline') continue;
    if (element.scrollWidth > element.clientWidth + 1 && element.clientWidth > 0)
      found.cut.push('wider than its box: ' + element.tagName + '.' + element.className);
  }
  return found;
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        words = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        started = driver.chromium.launch(executable_path=BROWSER, args=words)
        yield started
        started.close()


@pytest.fixture(scope="module")
def pages(short_runs: list[Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Pages of all kinds: one run, several, some records alone, names that are markup, a run that has not begun."""
    folder = tmp_path_factory.mktemp("pages")
    nasty = folder / "nasty"
    shutil.copytree(short_runs[0], nasty)
    known = read_record(nasty)
    strange = ["<script>alert(1)</script>", "$x^2$", "a very long name of a class", "WWWWWWWWWWWWWWWW", "\"&' so"]
    classes = [*strange, *"56789"]
    known = replace(known, data={**known.data, "classes": classes})
    write_record(known, nasty / "record.json")
    save_weights(load_trained(short_runs[0]).network, known, nasty / "weights.safetensors")
    mixed = []
    for number, made in enumerate((record("f1", [99.0] * 15), record("f2", [96.0] * 15), record("a1", [98.0] * 3))):
        mixed.append(folder / f"made{number}")
        mixed[-1].mkdir()
        write_record(made, mixed[-1] / "record.json")
    empty = folder / "empty"
    empty.mkdir()
    write_record(record("f3", [], finished=False), empty / "record.json")
    kinds = {"one": short_runs[:1], "seeds": short_runs, "nasty": [nasty], "empty": [empty],
             "mixed": [*mixed, short_runs[0]]}  # fmt: skip
    found = {}
    for name, runs in kinds.items():
        story = read_story(runs)
        found[name] = folder / f"{name}.html"
        found[name].write_text(page(story, sections(story)), encoding="utf-8")
    return found


def opened(browser: Any, path: Path, width: int, scheme: str) -> tuple[Any, list[str]]:
    """The page in a window of this width, and what it said or asked for that it should not."""
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    view, troubles = context.new_page(), []
    view.on("console", lambda message: troubles.append(f"console: {message.text}"))
    view.on("pageerror", lambda error: troubles.append(f"error: {error}"))
    view.on("request", lambda r: None if r.url.startswith("data:") else troubles.append(f"request: {r.url}"))
    view.goto(path.as_uri())
    assert troubles.pop(0) == f"request: {path.as_uri()}"
    return view, troubles


@pytest.mark.parametrize("width", [400, 1400])
@pytest.mark.parametrize("name", ["one", "seeds", "nasty", "mixed", "empty"])
def test_everything_is_drawn_and_nothing_cut_or_covered(
    browser: Any, pages: dict[str, Path], name: str, width: int
) -> None:
    view, troubles = opened(browser, pages[name], width, "light")
    for fold in (False, True):
        if fold:
            view.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        found = view.evaluate(MEASURE)
        assert found["texts"] > 20 and found["pictures"] > (-1 if name == "empty" else 6)
        assert (found["overlaps"], found["cut"], found["blank"]) == ([], [], [])
    assert troubles == []
    view.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["seeds", "nasty", "empty"])
def test_contrast_and_alternative_texts_pass_axe_core(
    browser: Any, pages: dict[str, Path], name: str, scheme: str
) -> None:
    view, troubles = opened(browser, pages[name], 400, scheme)
    view.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    found = axe.Axe().run(view)
    checked = {rule["id"] for rule in found.response["passes"]}
    assert {"color-contrast", "document-title", "html-has-lang"} <= checked
    assert name == "empty" or {"image-alt", "svg-img-alt", "scrollable-region-focusable"} <= checked
    assert found.violations_count == 0, found.generate_report()
    assert troubles == []
    view.context.close()


def test_dark_is_dark_in_figures_too(browser: Any, pages: dict[str, Path]) -> None:
    grounds, inks = [], []
    for scheme in ("light", "dark"):
        view, _ = opened(browser, pages["one"], 1400, scheme)
        grounds.append(view.evaluate("getComputedStyle(document.body).backgroundColor"))
        inks.append(view.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill"))
        view.context.close()
    assert grounds == ["rgb(245, 247, 249)", "rgb(17, 22, 27)"]
    assert inks == ["rgb(27, 31, 36)", "rgb(230, 233, 237)"]


def test_every_link_of_the_contents_leads_somewhere_and_print_shows_the_folded(
    browser: Any, pages: dict[str, Path]
) -> None:
    view, _ = opened(browser, pages["seeds"], 1400, "light")
    targets = view.evaluate("[...document.querySelectorAll('nav a')].map(a => a.getAttribute('href').slice(1))")
    assert len(targets) == len(set(targets)) == 8
    assert view.evaluate("ids => ids.every(id => document.getElementById(id))", targets)
    ids = view.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids)) > 50
    folded = "document.querySelector('details .tiles img').checkVisibility()"
    assert view.evaluate(folded) is False
    view.emulate_media(media="print", color_scheme="dark")
    assert view.evaluate(folded) is True
    assert view.evaluate("getComputedStyle(document.querySelector('figure svg text')).fill") == "rgb(27, 31, 36)"
    view.context.close()


def test_a_mistake_is_enlarged_and_closed_without_a_script(browser: Any, pages: dict[str, Path]) -> None:
    view, troubles = opened(browser, pages["nasty"], 400, "light")
    tile = view.locator(".tiles li:has(a.open)").first
    image = tile.locator("img")
    small = image.bounding_box()["width"]
    tile.locator("a.open").click()
    large = image.bounding_box()
    assert small < 80 and large["width"] > 250 and large["x"] >= 0 and large["x"] + large["width"] <= 400
    assert view.evaluate("document.elementFromPoint(5, 5).matches('li:target')")
    tile.get_by_text("Close").click()
    assert image.bounding_box()["width"] == small and tile.get_by_text("Close").is_hidden()
    assert view.evaluate("document.scripts.length") == 0 and troubles == []
    view.context.close()


def test_the_first_screen_holds_the_figures_the_curve_and_both_cards(browser: Any, pages: dict[str, Path]) -> None:
    view, _ = opened(browser, pages["one"], 1400, "light")
    boxes = view.evaluate("""['.headline > div:first-child', '.headline > div:last-child', '.f-accuracy',
      '.card', '.card ~ .card'].map(name => document.querySelector(name).getBoundingClientRect().toJSON())""")
    assert all(box["top"] < 700 for box in boxes)
    assert boxes[1]["right"] > 1350 and boxes[4]["right"] > 1350  # nothing beside them is empty
    assert boxes[0]["top"] == boxes[1]["top"] and boxes[2]["top"] == boxes[3]["top"] == boxes[4]["top"]
    view.context.close()


def test_the_pages_are_small(pages: dict[str, Path]) -> None:
    assert {name: size for name, path in pages.items() if (size := path.stat().st_size) >= 1_000_000} == {}
