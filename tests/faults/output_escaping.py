"""Nasty texts at every door where a text leaves in another format, and whether anything of them got out.

Each exit writes a file with the text in every place that a record, a folder's name or a study can fill, and parses what
it wrote: C by the compiler's own preprocessor, Python by `ast`, pages by an HTML parser, CSV by `csv`, Markdown by a
CommonMark parser. Its structure has to be that of the same file with a harmless word.
"""

import ast
import csv
import io
import re
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import nn

from featherweight.errors import FeatherweightError
from featherweight.escape import c_string, markdown, printable
from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import read_record, write_record
from featherweight.export import c_source
from featherweight.export import page as drawing_page
from featherweight.export.fixed_point import quantise
from featherweight.export.lowering import lower
from featherweight.export.source import Source
from featherweight.report.page import page, read_story, sections
from featherweight.report.page.blocks import Column, Table
from featherweight.report.page.render import _csv
from featherweight.search.outcome import Entry
from featherweight.search.source import source as python_source
from featherweight.search.space import Proposal, Space, stack

from .harness import warmed

HARMLESS = "word"
NASTY = (
    "*/ int evil = 1; /*", "*/\n__attribute__((constructor)) static void f(void) { system(\"true\"); }\n/*", "*\\\n/",
    "*??/\n/ int evil;", "ends in \\", "ends in ??/", "*/*/*/", "/*/", "\"; int evil; //", "%s%n%d", "\\x41\\101",
    '"""\nimport os\nos.system("true")\n"""', "\\\"\\\"\\\"", "'''", "{{ 7 * 7 }}", "{% raw %}", "\\N{BULLET}", "\\",
    "<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", "\" onload=\"alert(1)", "<!--", "]]>", "&lt;",
    "</style><b>", "javascript:alert(1)", "=1+1", "+1", "-1+1|cmd", "@SUM(A1)", "\t=1+1", " =HYPERLINK(\"http://x\")",
    "| a | b |\n|---|---|",
    "[x](javascript:alert(1))", "![x](http://x)", "`rm -rf`", "<http://x>", "# head", "\n\n* a",
    "~~~\n", "\x1b[2J\x1b]0;title\x07", "a\rb", "a\x00b", "\x9b2J", "\u202egnp.exe", "\u2028", "\ufeff",
    "$x^2$", "$\\bad$",
    "é, 数, 😀", "a" * 255, "../../etc/passwd", "CON", "%00", "\x7f", "\N{FULLWIDTH APOSTROPHE}",
)  # fmt: skip
"""What ends a comment, a string, a tag, a cell or a line somewhere, or tells a terminal what to do."""


@cache
def _quantised() -> tuple[Source, Any]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 3))
    about = Source(
        name="tiny", network=network.eval(), shape=(1, 7, 5), classes=("a", "b", "c"), mean=(0.1,), std=(0.3,),
        experiment="tiny", seed=0, parameters=29, accuracy=98.0, tested="7 test images",
    )  # fmt: skip
    pictures = torch.randint(0, 256, (11, 1, 7, 5), dtype=torch.uint8)
    return about, quantise(lower(network, about.shape), pictures, about.mean, about.std)


def _c_texts(text: str) -> dict[str, str]:
    about, network = _quantised()
    about = replace(about, experiment=text, tested=text, classes=(text, f"{text}{text}", "c"), version=text)
    return c_source.source_files(about, network, text)


def c_program(text: str) -> str:
    """The exported C program, header, example and sketch."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return ""
    ours, theirs = _c_texts(text), _c_texts(HARMLESS)
    with TemporaryDirectory() as name:
        for path, content in ours.items():
            file = Path(name) / path
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        for path, content in ours.items():
            if _code(compiler, content) != _code(compiler, theirs[path]):
                return f"{path} has other code"
        checked = [compiler, "-std=c99", "-Wall", "-Wno-trigraphs", "-fsyntax-only", "-I", name]
        done = subprocess.run([*checked, f"{name}/tiny.c", f"{name}/example/main.c"], capture_output=True, check=False)
        return done.stderr.decode()[:200] if done.returncode else ""


@cache
def _code(compiler: str, text: str) -> str:
    """What is left of a program without comments and what stands between quotes."""
    command = [compiler, "-std=c99", "-fpreprocessed", "-dD", "-E", "-P", "-x", "c", "-"]
    done = subprocess.run(command, input=text.encode(), capture_output=True, check=True)
    return re.sub(r'"(\\.|[^"\\])*"', '""', done.stdout.decode())


def c_names(texts: list[str]) -> str:
    """Strings of C, compiled and printed: they have to be the bytes of the texts."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        return ""
    listed = ", ".join(c_string(text) for text in texts)
    program = f"#include <stdio.h>\nint main(void) {{ const char *n[] = {{ {listed} }}; int i;\n"
    program += f"for (i = 0; i < {len(texts)}; i++) {{ fputs(n[i], stdout); putchar(255); }} return 0; }}\n"
    with TemporaryDirectory() as name:
        binary = f"{name}/names"
        subprocess.run([compiler, "-std=c99", "-x", "c", "-", "-o", binary], input=program.encode(), check=True,
                       capture_output=True)  # fmt: skip
        out = subprocess.run([binary], capture_output=True, check=True).stdout
    expected = b"".join(text.encode("utf-8", "backslashreplace").split(b"\0")[0] + b"\xff" for text in texts)
    return "" if out == expected else "a class has another name in C"


def _entry(text: str, proposal: Proposal) -> Entry:
    return Entry(trial=7, value=99.0, accuracy=99.0, worst=98.0, loss=0.1, parameters=100, macs=500, field=9, epochs=3,
                 seconds=1.0, seeds=1, engine=text, machine=text, proposal=proposal)  # fmt: skip


def _tree(text: str, proposal: Proposal) -> str:
    space = Space(name=text, propose=lambda trial: proposal, budget=Budget(parameters=500))
    data = replace(warmed()[1], name=text, holdout=100)
    tree = ast.parse(python_source(_entry(text, proposal), space, data, text))
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def python_file(text: str) -> str:
    """The experiment file of a search's best trial: names of the space and the data."""
    proposal = Proposal(network=stack([3]), recipe=Recipe(epochs=2))
    return "" if _tree(text, proposal) == _tree(HARMLESS, proposal) else "the file has other code"


def python_proposal(text: str) -> str:
    """The same, the text being an argument, the name of one, or a layer of a proposal from a study."""
    layers = Proposal(network=stack([3]), recipe=Recipe(epochs=2)).to_json()["network"]
    for at, changed in enumerate(([text, [], {}], ["nn.Flatten", [text], {}], ["nn.Flatten", [], {text: 1}],
                                  ["nn.Dropout", [], {"p": text}])):  # fmt: skip
        values = {"network": [*layers, changed], "recipe": Recipe(epochs=2).to_json()}
        try:
            written = _tree(HARMLESS, Proposal.from_json(values))
        except FeatherweightError:
            continue
        except Exception as problem:
            if text.isidentifier() or re.fullmatch(r"[\d.]+", text):
                continue  # a word without meaning to PyTorch
            return f"place {at}: {type(problem).__name__}: {problem}"[:200]
        if "Call" not in written or not text.isidentifier():
            return f"place {at} was written"
    return ""


class _Structure(HTMLParser):
    """Tags and names of attributes, those of pictures counted apart."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.drawn: set[str] = set()
        self._inside = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside += tag == "svg"
        names = " ".join(sorted(name for name, _ in attrs))
        if self._inside:  # a letter is a tag there
            self.drawn |= {tag, *names.split()}
        else:
            self.tags.append(f"{tag} {names}")

    def handle_endtag(self, tag: str) -> None:
        self._inside -= tag == "svg"


def _structure(html: str) -> _Structure:
    parser = _Structure()
    parser.feed(html)
    parser.close()
    return parser


DRAWN = re.compile(r"on\w+|script|foreignobject|iframe|image|style$")


def _report(text: str) -> _Structure:
    committed = sorted((Path(__file__).parents[2] / "results" / "f3").glob("seed*.json"))[0]
    known = read_record(committed)
    classes = [f"{text}{number}"[-255:] for number in range(10)]
    data = {**known.data, "name": text, "classes": classes, "source": f"/nowhere/{text}"}
    about = {**known.environment, "processor": text, "device": text, "commit": text}
    with TemporaryDirectory() as name:
        changed = replace(known, experiment=f"/nowhere/{text}.py", data=data, environment=about, rows=known.rows[:6])
        write_record(changed, Path(name) / "record.json")
        story = read_story([Path(name)])
        return _structure(page(story, sections(story)))


@cache
def _harmless_report() -> _Structure:
    return _report(HARMLESS)


def report_page(text: str) -> str:
    """The report of a run: experiment, data, classes, processor."""
    try:
        ours = _report(text)
    except FeatherweightError:
        return ""  # no record may hold that
    foreign = {name for name in ours.drawn - _harmless_report().drawn if DRAWN.match(name)}
    if foreign:
        return f"pictures hold {sorted(foreign)}"
    return "" if ours.tags == _harmless_report().tags else "the page has other tags"


def drawing(text: str) -> str:
    """The page that digits are drawn on."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.AvgPool2d(28), nn.Flatten(), nn.Linear(1, 10)).eval()
    about = replace(_quantised()[0], network=network, shape=(1, 28, 28), classes=tuple("0123456789"))
    lowered = lower(network, about.shape)
    pages = [drawing_page.page_html(replace(about, experiment=word, tested=word, version=word), lowered)
             for word in (text, HARMLESS)]  # fmt: skip
    return "" if _structure(pages[0]).tags == _structure(pages[1]).tags else "the page has other tags"


def csv_table(text: str) -> str:
    """A table of a report as CSV."""
    columns = (Column(name="name", heading=""), Column(name="figure", heading=""))
    rows = list(csv.reader(io.StringIO(_csv(Table(name="t", caption="", columns=columns, rows=((text, -1.5),))))))
    if len(rows) != 2 or len(rows[1]) != 2 or rows[1][1] != "-1.5":
        return "the table has other cells"
    return "a cell is a formula" if rows[1][0].lstrip()[:1] in tuple("=+-@") and rows[1][0] else ""


def markdown_table(text: str) -> str:
    """A cell of a table in Markdown."""
    from markdown_it import MarkdownIt

    def kinds(word: str) -> list[str]:
        parser = MarkdownIt("commonmark", {"html": True}).enable("table")
        tokens = parser.parse(f"| a | b |\n|---|---|\n| {word} | 1 |")
        inside = {child.type for token in tokens for child in token.children or ()}
        return [*(token.type for token in tokens), *sorted(inside - {"text", "text_special", "entity"})]

    return "" if kinds(markdown(text)) == kinds(HARMLESS) else "the table has other parts"


def terminal(text: str) -> str:
    """A line on a terminal."""
    return "" if printable(text).isprintable() else "control characters are sent"


EXITS: dict[str, Callable[[str], str]] = {
    "C": c_program, "Python": python_file, "a study's proposal": python_proposal, "report": report_page,
    "drawing page": drawing, "CSV": csv_table, "Markdown": markdown_table, "terminal": terminal,
}  # fmt: skip
"""Each exit with what says "" or what of the text got out."""
