"""Takes the pictures of these pages anew: `python -m docs.pictures.make`, or those named: terminal report draw site.

A run of f3 on MNIST is trained for it, in a terminal of 80 columns. Chromium takes the rest, and needs `.[test,docs]`.
"""

import fcntl
import io
import os
import pty
import re
import shutil
import struct
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
FRAME = """<svg xmlns="http://www.w3.org/2000/svg" class="rich-terminal" viewBox="0 0 {width} {height}" role="img">
<title>featherweight train, in a terminal</title>
<style>.{unique_id}-matrix {{ font: {char_height}px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
line-height: {line_height}px }} .{unique_id}-title {{ font: bold 18px system-ui, sans-serif }}
{styles}</style>
<defs><clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/></clipPath>
{lines}</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}<g class="{unique_id}-matrix">
{matrix}</g></g>
</svg>
"""
"""Rich's own frame without the font that it would load from elsewhere."""
_PIECE = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|(.)", re.DOTALL)
TWO = [(0.3, 0.3), (0.36, 0.2), (0.5, 0.16), (0.64, 0.22), (0.68, 0.35), (0.6, 0.5), (0.45, 0.65), (0.31, 0.8),
       (0.5, 0.79), (0.72, 0.8)]  # fmt: skip
"""The corners of a drawn 2, as shares of the drawing's sides."""


def in_a_terminal(command: list[str], columns: int, folder: Path) -> str:
    """All that a command writes to a terminal of so many columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    around = {**os.environ, "TERM": "xterm-256color", "COLUMNS": str(columns)}
    running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=folder, env=around)
    os.close(theirs)
    written = b""
    while True:
        try:
            read = os.read(ours, 1 << 16)
        except OSError:  # the other end is closed
            break
        if not read:
            break
        written += read
    running.wait()
    os.close(ours)
    return written.decode()


def screen(written: str) -> str:
    """What stays on the screen of what was written to a terminal, with its colours.

    >>> screen("a bar\\r\\x1b[2Kdone\\r\\n")
    'done'
    """
    lines: list[list[str]] = [[]]
    row, column, colour = 0, 0, ""
    for codes, verb, sign in _PIECE.findall(written):
        if verb == "m":
            colour = "" if codes in ("", "0") else f"{colour}\x1b[{codes}m"
        elif verb == "A":
            row = max(0, row - int(codes or 1))
        elif verb == "K":
            lines[row] = [] if codes == "2" else lines[row][:column]
        elif sign == "\r":
            column = 0
        elif sign == "\n":
            row, column = row + 1, 0
            if row == len(lines):
                lines.append([])
        elif sign:
            lines[row] += [" "] * (column + 1 - len(lines[row]))
            lines[row][column] = f"{colour}{sign}\x1b[0m" if colour else sign
            column += 1
    return "\n".join("".join(line).rstrip() for line in lines).rstrip()


def terminal(run: Path) -> None:
    """The run's training as it stands on a terminal of 80 columns."""
    from rich.console import Console
    from rich.text import Text

    shown = screen((run / "terminal.txt").read_bytes().decode())
    console = Console(record=True, width=80, file=io.StringIO())
    console.print(Text("$ featherweight train", style="bold"))
    console.print(Text.from_ansi(shown))
    svg = console.export_svg(title="featherweight train", code_format=FRAME, unique_id="terminal")
    (HERE / "terminal.svg").write_text(svg, encoding="utf-8")


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window."""
    from playwright.sync_api import sync_playwright

    path = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=path, args=["--no-sandbox", "--disable-dev-shm-usage"])
        yield browser
        browser.close()


def shot(
    page: Path, name: str, size: tuple[int, int], scheme: str = "light", first: Callable[[Any], None] | None = None
) -> None:
    """A picture of a page as a browser window of this size shows it, after `first` has been done to it."""
    from PIL import Image

    with chromium() as browser:
        window = {"width": size[0], "height": size[1]}
        view = browser.new_context(viewport=window, color_scheme=scheme).new_page()
        view.goto(page.as_uri())
        view.add_style_tag(content="html { overflow: hidden !important }")  # no room for a scroll bar
        view.wait_for_timeout(500)
        if first:
            first(view)
        picture = Image.open(io.BytesIO(view.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(HERE / name, optimize=True)


def report(run: Path) -> None:
    """The report's first screen, wide and narrow, light and dark."""
    page = run / "report.html"
    subprocess.run(["featherweight", "report", str(run), "--out", str(page)], check=True)
    for width, height in ((1400, 900), (400, 800)):
        for scheme in ("light", "dark"):
            shot(page, f"report-{width}-{scheme}.png", (width, height), scheme)


def draw(run: Path) -> None:
    """The drawing page with a 2 drawn on it."""
    subprocess.run(["featherweight", "export", "f3", "--to", "page", "--out", str(run / "page")], check=True)
    [page] = (run / "page").glob("*.html")

    def drawn(view: Any) -> None:
        box = view.locator("canvas").first.bounding_box()
        for number, (x, y) in enumerate(TWO):
            view.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
            if not number:
                view.mouse.down()
        view.mouse.up()
        view.wait_for_timeout(500)

    shot(page, "draw.png", (560, 775), first=drawn)


def site(run: Path) -> None:
    """The site's front page, light and dark."""
    from docs.site.build import build

    build(run / "site")
    for scheme in ("light", "dark"):
        shot(run / "site" / "html" / "index.html", f"site-{scheme}.png", (1400, 900), scheme)


def main(names: list[str]) -> None:
    """Take the pictures of these names, or all."""
    every = {"terminal": terminal, "report": report, "draw": draw, "site": site}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        run = folder
        if not names or {"terminal", "report"} & set(names):
            written = in_a_terminal(["featherweight", "train"], 80, folder)
            run = folder / "runs" / "f3-seed0"
            (run / "terminal.txt").write_bytes(written.encode())
        for name in names or every:
            every[name](run)


if __name__ == "__main__":
    main(sys.argv[1:])
