"""The page, driven in a real Chromium: it reads what is drawn on it, by its own arithmetic, without a network."""

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, sync_playwright
from torch import Tensor, nn

from exported import CHROMIUM, DRAWN, Stroke, lively, lowered, noise, odd, source
from featherweight import data as datasets
from featherweight.errors import UsageError
from featherweight.experiments.calibration import Calibration, usual_scores
from featherweight.export import page_of
from featherweight.export.page import page_html, require_digits, steps_in_page
from featherweight.export.proof import network_probabilities
from featherweight.export.source import Source, source_of
from featherweight.networks.layers.blocks import Residual, Sum, conv_norm_relu, residual_norm_relu
from featherweight.networks.layers.preprocessing import Crop, Deskew
from featherweight.reading.normalise import centre_digit
from featherweight.training.runs.trained import load_pretrained

HERE = Path(__file__).parents[1]
PHONE, LAPTOP = (390, 844), (1366, 768)
in_browser = pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as player:
        options = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = player.chromium.launch(executable_path=CHROMIUM, args=options)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "f3.html"
    path.write_text(page_of(load_pretrained("f3")))
    return path


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator[Page]:
    """The page, at a laptop's size; at the end, nothing must have gone wrong in it and nothing been asked for."""
    tab = browser.new_page(viewport={"width": LAPTOP[0], "height": LAPTOP[1]})
    troubles: list[str] = []
    asked: list[str] = []
    tab.on("pageerror", lambda problem: troubles.append(str(problem)))
    tab.on("console", lambda message: troubles.append(message.text))
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(file.as_uri())
    yield tab
    assert troubles == [] and [url for url in asked if not url.startswith("data:")] == [file.as_uri()]
    tab.close()


def settled(tab: Page) -> None:
    """Two frames later, when what was drawn has been read and said."""
    tab.evaluate(
        "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
    )


def draw(tab: Page, strokes: Sequence[Stroke], size: float = 1.0, corner: tuple[float, float] = (0, 0)) -> None:
    """With the mouse; `size` and `corner` place the digit's square on the paper, in parts of its side."""
    box = tab.locator("#paper").bounding_box()
    assert box is not None
    for stroke in strokes:
        for at, (x, y) in enumerate(stroke):
            across, down = corner[0] + size * x, corner[1] + size * y
            tab.mouse.move(box["x"] + across * box["width"], box["y"] + down * box["height"])
            if at == 0:
                tab.mouse.down()
        tab.mouse.up()
    settled(tab)


def answer(tab: Page) -> str:
    return tab.inner_text("#answer")


# ------------------------------------------------------------------------------------------- reading


@in_browser
def test_ten_digits_drawn_with_a_mouse_are_read_rightly(opened: Page) -> None:
    assert len(DRAWN) == 10
    for digit, strokes in DRAWN.items():
        draw(opened, strokes)
        assert answer(opened).split()[0] == digit
        assert opened.inner_text("#spoken") == f"It reads {digit}"
        best = opened.locator("#bars li.best")
        assert best.count() == 1 and best.locator(".digit").inner_text() == digit
        opened.click("#clear")
        settled(opened)


@in_browser
def test_small_digits_near_an_edge_are_read_rightly_too(opened: Page) -> None:
    for digit, strokes in DRAWN.items():
        draw(opened, strokes, size=0.3, corner=(0.68, 0.02))
        assert answer(opened).split()[0] == digit
        opened.keyboard.press("Escape")


@in_browser
def test_fingers_draw_without_scrolling_and_a_second_one_is_passed_over(browser: Browser, file: Path) -> None:
    tab = browser.new_page(viewport={"width": PHONE[0], "height": PHONE[1]}, has_touch=True, is_mobile=True)
    tab.goto(file.as_uri())
    box = tab.locator("#paper").bounding_box()
    assert box is not None
    touches = tab.context.new_cdp_session(tab)

    def touch(kind: str, *points: tuple[float, float]) -> None:
        found = [
            {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"], "id": at}
            for at, (x, y) in enumerate(points)
        ]
        touches.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": found})

    [stroke] = DRAWN["7"]
    path = [
        (a[0] + (b[0] - a[0]) * part / 8, a[1] + (b[1] - a[1]) * part / 8)
        for a, b in pairwise(stroke)
        for part in range(9)
    ]
    touch("touchStart", path[0])
    touch("touchStart", path[0], (0.9, 0.9))
    for point in path:
        touch("touchMove", point, (0.9, 0.9))
    touch("touchEnd")
    settled(tab)
    assert answer(tab).split()[0] == "7"
    assert tab.evaluate("[state.strokes.length, scrollY]") == [1, 0]
    tab.close()


@in_browser
def test_the_small_picture_is_what_the_network_was_given(opened: Page) -> None:
    draw(opened, DRAWN["5"])
    shown, given = opened.evaluate(
        "[Array.from(seen.getContext('2d').getImageData(0, 0, 28, 28).data).filter((_, at) => at % 4 === 0),"
        " Array.from(state.picture)]"
    )
    assert shown == given and max(given) == 255
    shares = [float(share.strip("> %")) for share in opened.locator(".share").all_inner_texts()]
    expected = network_probabilities(
        source_of(load_pretrained("f3")), torch.tensor(given, dtype=torch.uint8).reshape(1, 1, 28, 28)
    )
    assert np.abs(np.array(shares) / 100 - expected[0]).max() < 1e-3


# ------------------------------------------------------------------------------------------- arithmetic


def answered(tab: Page, pictures: Tensor) -> np.ndarray:
    """The page's own probabilities [N 10] of uint8 [N 1 28 28]."""
    packed = base64.b64encode(pictures.numpy().tobytes()).decode()
    return np.array(
        tab.evaluate(
            "packed => { const all = Uint8Array.from(atob(packed), c => c.charCodeAt(0)), found = [];"
            " for (let at = 0; at < all.length; at += 784) found.push(probabilities(all.subarray(at, at + 784)));"
            " return found; }",
            packed,
        )
    )


@in_browser
def test_its_arithmetic_is_the_network_s_on_a_thousand_digits(opened: Page) -> None:
    pictures = datasets.load("digits").train.images[:1000]
    found, expected = answered(opened, pictures), network_probabilities(source_of(load_pretrained("f3")), pictures)
    assert found.shape == (1000, 10) and np.abs(found - expected).max() < 1e-4
    assert (found.argmax(1) == expected.argmax(1)).all()


def of_digits(network: nn.Module) -> Source:
    plain = source(network, (1, 28, 28), 10)
    return Source(**{**vars(plain), "classes": tuple("0123456789")})


@in_browser
def test_every_kind_of_layer_is_carried_out_as_in_torch(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(11)
    network = lively(
        nn.Sequential(
            nn.Conv2d(1, 6, (3, 2), stride=(3, 2), padding=(2, 1)), nn.ReLU(), nn.BatchNorm2d(6),
            nn.Conv2d(6, 9, (2, 4), padding="same", groups=3), nn.MaxPool2d(3, 2, padding=1),
            nn.GroupNorm(3, 9), nn.GELU("tanh"), Residual(conv_norm_relu(9, 9, padding=1)), residual_norm_relu(9, 9),
            Sum(nn.Conv2d(9, 9, 1), nn.Identity()),
            nn.AvgPool2d((3, 2), (2, 1), padding=(1, 1)), nn.Flatten(),
            nn.LayerNorm(9 * 3 * 9), nn.Linear(9 * 3 * 9, 10), nn.LogSoftmax(1),
        )
    )  # fmt: skip
    of = of_digits(network)
    file = tmp_path / "odd.html"
    file.write_text(page_html(of, lowered(of)))
    tab = browser.new_page()
    tab.goto(file.as_uri())
    pictures = noise(20, (1, 28, 28))
    assert np.abs(answered(tab, pictures) - network_probabilities(of, pictures)).max() < 1e-6
    tab.close()


@in_browser
def test_pictures_are_prepared_as_in_torch(browser: Browser, tmp_path: Path) -> None:
    torch.manual_seed(12)
    layers = conv_norm_relu(1, 5, stride=2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 10)
    of = of_digits(lively(nn.Sequential(Deskew(), Crop(1), *layers)))
    file = tmp_path / "upright.html"
    file.write_text(page_html(of, lowered(of)))
    tab = browser.new_page()
    tab.goto(file.as_uri())
    pictures = torch.cat([datasets.load("digits").train.images[:50], noise(10, (1, 28, 28))])
    expected = network_probabilities(of, pictures)
    assert np.abs(answered(tab, pictures) - expected).max() < 1e-6
    of.network[0] = nn.Identity()
    assert np.abs(network_probabilities(of, pictures) - expected).max() > 1e-3  # it does something
    tab.close()


def prepared(tab: Page, ink: np.ndarray) -> list[int] | None:
    found: list[int] | None = tab.evaluate(
        "([values, h, w]) => { const found = normalise(Uint8Array.from(values), h, w);"
        " return found && Array.from(found); }",
        [ink.ravel().tolist(), *ink.shape],
    )
    return found


@in_browser
def test_a_drawing_is_prepared_as_everywhere_else(opened: Page) -> None:
    expected: dict[str, Any] = json.loads((HERE / "drawing.json").read_text())
    ink, picture = (
        np.array([list(bytes.fromhex(row)) for row in expected[part]], np.uint8) for part in ("ink", "picture")
    )
    assert (centre_digit(ink) == picture).all() and picture.shape == (28, 28)
    assert prepared(opened, ink) == picture.ravel().tolist()
    assert prepared(opened, np.zeros((5, 7), np.uint8)) is None
    draws = np.random.default_rng(3)
    for _ in range(60):
        size = draws.integers(1, 70, 2)
        ink = draws.integers(0, 256, size, dtype=np.uint8) * (draws.random(size) < draws.random()).astype(np.uint8)
        assert (prepared(opened, ink) or [0] * 784) == centre_digit(ink).ravel().tolist()


# ------------------------------------------------------------------------------------------- use


@in_browser
def test_an_empty_paper_and_a_dot_are_said_not_guessed(opened: Page) -> None:
    assert answer(opened) == "Nothing is drawn yet."
    assert opened.is_disabled("#undo") and opened.is_disabled("#clear")
    draw(opened, [[(0.5, 0.5), (0.51, 0.52)]])
    assert answer(opened) == "That is a dot; draw larger." == opened.inner_text("#spoken")
    assert set(opened.locator(".share").all_inner_texts()) == {""}
    opened.click("#undo")
    settled(opened)
    assert answer(opened) == "Nothing is drawn yet."


@in_browser
def test_undo_takes_back_a_stroke_and_clear_takes_back_all(opened: Page) -> None:
    for undo, clear in (
        (lambda: opened.click("#undo"), lambda: opened.click("#clear")),
        (lambda: opened.keyboard.press("Backspace"), lambda: opened.keyboard.press("Escape")),
        (lambda: opened.keyboard.press("Control+z"), lambda: opened.keyboard.press("Escape")),
    ):
        draw(opened, DRAWN["1"])
        before = opened.evaluate("Array.from(state.picture)")
        draw(opened, DRAWN["0"])
        assert opened.evaluate("Array.from(state.picture)") != before
        undo()
        settled(opened)
        assert opened.evaluate("Array.from(state.picture)") == before and answer(opened).split()[0] == "1"
        draw(opened, DRAWN["0"])
        clear()
        settled(opened)
        assert opened.evaluate("[state.strokes, state.picture]") == [[], None]


@in_browser
def test_it_can_be_used_by_keys_alone_and_shows_where_they_go(opened: Page) -> None:
    opened.keyboard.press("Tab")
    assert opened.evaluate("document.activeElement.id") == "paper"
    assert opened.evaluate("getComputedStyle(paper).outlineStyle") == "solid"
    for key in ["ArrowUp"] * 10 + [" "] + ["Shift+ArrowDown"] * 6 + [" "]:
        opened.keyboard.press(key)
    settled(opened)
    assert answer(opened).split()[0] == "1" and opened.inner_text("#spoken") == "It reads 1"
    for id in ("undo", "clear"):
        opened.keyboard.press("Tab")
        assert opened.evaluate("document.activeElement.id") == id
        assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    opened.keyboard.press("Enter")
    settled(opened)
    # The button that was pressed can no longer be; whoever uses keys goes on at the paper.
    assert opened.evaluate("[document.activeElement.id, state.strokes.length]") == ["paper", 0]


@in_browser
@pytest.mark.parametrize("colours", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, LAPTOP, (320, 568)])
def test_it_fits_the_screen_and_everybody_can_use_it(
    browser: Browser, file: Path, size: tuple[int, int], colours: Any
) -> None:
    tab = browser.new_page(viewport={"width": size[0], "height": size[1]}, color_scheme=colours)
    tab.goto(file.as_uri())
    for strokes in ([], DRAWN["3"]):
        draw(tab, strokes)
        found = Axe().run(tab)
        assert found.violations_count == 0, found.generate_report()
    assert tab.evaluate("document.documentElement.scrollWidth") <= size[0]
    ground = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (int(ground.removeprefix("rgb(").split(",")[0]) < 60) == (colours == "dark")
    if size != (320, 568):  # there, one scrolls to the bars
        lowest = tab.evaluate("document.getElementById('bars').getBoundingClientRect().bottom")
        assert lowest <= size[1]
    widths = tab.evaluate("[...document.querySelectorAll('.share')].map(s => [s.scrollWidth, s.clientWidth])")
    assert len(widths) == 10 and all(needed <= given for needed, given in widths)
    tab.close()


# ------------------------------------------------------------------------------------------- the file


def test_the_file_is_small_whole_and_says_what_it_is(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert len(text.encode("utf-8")) <= 66_000
    assert "http:" not in text and "https:" not in text
    assert "default-src 'none'" in text
    record = load_pretrained("f3").record
    for words in (
        "7,864 parameters",
        "(f3, seed 0)",
        f"{record.verdict.last:.2f} %",
        "Nothing you draw leaves this page",
    ):
        assert words in text
    assert text == page_of(load_pretrained("f3"))


def test_the_weights_are_read_back_from_the_file_bit_for_bit() -> None:
    torch.manual_seed(5)
    of = of_digits(nn.Sequential(nn.Flatten(), nn.Linear(784, 10)).eval())
    [step] = steps_in_page(page_html(of, lowered(of)), lowered(of)).steps
    assert step.weight is not None and step.bias is not None
    assert torch.equal(step.weight.flatten(1), of.network[1].weight.detach())
    assert torch.equal(step.bias, of.network[1].bias.detach())


def test_a_network_for_something_else_gets_no_page() -> None:
    with pytest.raises(UsageError, match=r"one is for 2 x 13 x 11 and 7 classes. Use --to onnx or --to c"):
        require_digits(source(odd(), (2, 13, 11), 7))


@in_browser
def test_a_calibrated_page_says_none_of_these_where_python_does(browser: Browser, tmp_path: Path) -> None:
    of, known = source_of(load_pretrained("f3")), datasets.load("digits").train
    pictures = torch.cat([known.images[:300], 255 - known.images[:100]])
    scores = np.log(network_probabilities(of, pictures))
    usual = usual_scores(scores[:300], known.labels[:300].numpy())
    assert usual.table is not None
    found = Calibration(
        temperature=2.0, threshold=usual.evidence, typical=usual.table, step=usual.step, farthest=usual.distance,
        least_probability=None, held_out=300, by="itself",
    )  # fmt: skip
    refused = found.unknown(scores)
    assert refused is not None and 5 < refused[:300].sum() < 30 and refused[300:].sum() > 20
    file = tmp_path / "known.html"
    file.write_text(page_html(replace(of, calibration=found), lowered(of)))
    tab = browser.new_page()
    tab.goto(file.as_uri())
    shares = answered(tab, pictures)
    assert tab.evaluate("all => all.map(isUnknown)", shares.tolist()) == refused.tolist()
    warm = tab.evaluate("all => all.map(tempered)", shares[:300].tolist())
    expected = np.exp(scores[:300] / 2) / np.exp(scores[:300] / 2).sum(1, keepdims=True)
    assert np.abs(np.array(warm) - expected).max() < 1e-4
    assert tab.evaluate("isUnknown([1, 0, 0, 0, 0, 0, 0, 0, 0, 0])")  # too far from any digit, and no NaN
    draw(tab, DRAWN["3"])
    assert answer(tab).split()[0] == "3"
    one = shares[np.flatnonzero(refused)[0]]
    tab.evaluate("all => { show(new Uint8Array(784), all); say(); }", one.tolist())
    settled(tab)
    assert answer(tab) == f"None of these (nearest: {one.argmax()})"
    assert tab.inner_text("#spoken") == "It reads none of these"
    tab.close()


def test_without_a_calibration_the_page_is_as_it_was() -> None:
    of = source_of(load_pretrained("f3"))
    assert not any(word in page_html(of, lowered(of)) for word in ("known", "None of these"))
