"""Builds the documentation as a site, offline: `python -m docs.site.build [FOLDER]`; it needs `pip install '.[docs]'`.

The texts are written for a source tree: they link to each other and to code, records and notebooks outside docs/. The
site holds all of that itself, so that it has no dead link wherever it stands: whatever a page links to is carried
along, a text file as a page that shows it, a folder as a page that lists it, anything else as it is.
"""

import csv
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
HERE = Path(__file__).parent
LANGUAGES = {
    ".py": "python", ".json": "json", ".toml": "toml", ".yml": "yaml", ".cpp": "cpp", ".hpp": "cpp", ".sh": "sh",
    ".cff": "yaml", ".txt": "text", "": "text",
}  # fmt: skip
"""What is shown as a page, by suffix, with the language that it is highlighted in."""

_FENCE = re.compile(r"^ *(`{3,}|~{3,})")
_LINK = re.compile(r"(\]\(|\b(?:src|href|srcset)=\")([^)\s\"]+)")
_CODE = re.compile(r"(`+[^`]*`+)")
_ANCHORED = re.compile(r'^(#+ )<a id="([\w-]+)"></a>(.+)$', re.MULTILINE)
_UNSEARCHED = "---\nsearch:\n  exclude: true\n---\n\n"
_WIDE = _UNSEARCHED.replace("---\n\n", "hide:\n  - navigation\n  - toc\n---\n\n")


def place(path: PurePosixPath) -> PurePosixPath:
    """Where the site has a file or folder of the source tree, both as relative paths.

    >>> [str(place(PurePosixPath(path))) for path in ("README.md", "docs/records/README.md", "CHANGELOG.md")]
    ['index.md', 'records/index.md', 'project/changelog.md']
    >>> [str(place(PurePosixPath(path))) for path in ("docs/f3.svg", "results/f3", "src/featherweight/errors.py")]
    ['f3.svg', 'source/results/f3/index.md', 'source/src/featherweight/errors.py.md']
    """
    if str(path) == "README.md":
        return PurePosixPath("index.md")
    if path.suffix == ".ipynb":
        return path.with_suffix(".md")
    if path.parts[0] == "docs" and (path.suffix or (ROOT / path).is_dir()):
        inner = path.relative_to("docs")
        inner = inner / "README.md" if (ROOT / path).is_dir() else inner
        return inner.with_name("index.md") if inner.name == "README.md" else inner
    if path.parts[0] == "notebooks" and path.name in ("notebooks", "README.md"):
        return PurePosixPath("notebooks/index.md")
    if len(path.parts) == 1 and path.suffix == ".md":
        return PurePosixPath("project") / path.name.lower()
    if (ROOT / path).is_dir():
        return "source" / path / "index.md"
    shown = path.suffix in LANGUAGES or path.suffix == ".csv"
    return "source" / (path.with_name(path.name + ".md") if shown else path)


def linked(text: str, change: Callable[[str], str]) -> str:
    """A Markdown text with every target of a link or picture changed; code is left alone.

    >>> linked("[a](b.md) and `[c](d.md)`", str.upper)
    '[a](B.MD) and `[c](d.md)`'
    """
    lines, fence = [], ""
    for line in text.split("\n"):
        mark = _FENCE.match(line)
        if mark and (not fence or line.strip() == fence):
            fence = "" if fence else mark[1]
        elif not fence:
            parts = _CODE.split(line)
            parts[::2] = [_LINK.sub(lambda found: found[1] + change(found[2]), part) for part in parts[::2]]
            line = "".join(parts)
        lines.append(line)
    return "\n".join(lines)


def gathered(pages: Path) -> None:
    """Write every page into the folder `pages`, and all that they link to."""
    texts = [*sorted((ROOT / "docs").rglob("*.md")), *sorted(ROOT.glob("*.md")), ROOT / "notebooks" / "README.md"]
    waiting = [PurePosixPath(path.relative_to(ROOT).as_posix()) for path in texts if "pictures" not in path.parts]
    waiting += [PurePosixPath("docs/site/extra.css"), PurePosixPath("docs/site/site.js")]
    known = set(waiting)
    while waiting:
        path = waiting.pop()

        def change(target: str, path: PurePosixPath = path) -> str:
            if re.match(r"[a-z]+:|#|//", target):
                return target
            name, mark, anchor = target.partition("#")
            to = PurePosixPath(os.path.normpath(path.parent / name))
            if not (ROOT / to).exists():
                raise SystemExit(f"{path} links to {target}, which is not there")
            if (ROOT / to / "README.md").exists():
                to = to / "README.md"
            if to not in known:
                known.add(to)
                waiting.append(to)
            return os.path.relpath(place(to), place(path).parent).replace(os.sep, "/") + mark + anchor

        goal = pages / place(path)
        goal.parent.mkdir(parents=True, exist_ok=True)
        if goal.suffix == ".md":
            goal.write_text(_page(path, change), encoding="utf-8")
        else:
            shutil.copyfile(ROOT / path, goal)


def _page(path: PurePosixPath, change: Callable[[str], str]) -> str:
    """The Markdown of the page that shows a file or folder."""
    file = ROOT / path
    if file.is_dir():
        names = sorted(one.name + "/" * one.is_dir() for one in file.iterdir() if not one.name.startswith(("_", ".")))
        return f"{_UNSEARCHED}# `{path}/`\n\nIn the source tree:\n\n" + "".join(f"* `{name}`\n" for name in names)
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        text = text.replace("<details>", '<details markdown="1">')  # tables within are Markdown too
        return linked(_ANCHORED.sub(r"\1\3 {#\2}", text), change)
    if file.suffix == ".ipynb":
        return linked(_notebook(text), change)
    if file.suffix == ".csv":
        return f"{_WIDE}# `{path}`\n\nA click on a heading sorts by it.\n\n{_table(text)}"
    return f"{_UNSEARCHED}# `{path}`\n\n{_fenced(text, LANGUAGES[file.suffix])}"


def _table(text: str) -> str:
    """A CSV file as a table of Markdown."""
    heading, *rows = [[cell.replace("|", "\\|") for cell in row] for row in csv.reader(text.splitlines())]
    return "\n".join(f"| {' | '.join(row)} |" for row in (heading, ["---"] * len(heading), *rows)) + "\n"


def _notebook(text: str) -> str:
    """A notebook's texts and code, and what the code printed; its pictures stay in the notebook."""
    parts = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
        else:
            parts.append(_fenced(source, "python"))
            said = "".join("".join(output["text"]) for output in cell["outputs"] if output["output_type"] == "stream")
            if said.strip():
                parts.append(_fenced(said, "text"))
    return "\n\n".join(parts) + "\n"


def _fenced(text: str, language: str) -> str:
    longest = max(map(len, re.findall(r"`{3,}", text)), default=2)
    marks = "`" * (longest + 1)
    return f"{marks}{language}\n{text.rstrip()}\n{marks}\n"


def configured(folder: Path) -> None:
    """Write the site's configuration, without the pages that do not exist."""
    kept = []
    for line in (HERE / "zensical.toml").read_text(encoding="utf-8").splitlines():
        named = re.search(r'"([\w/-]+\.md)"', line)
        if named is None or (folder / "pages" / named[1]).exists():
            kept.append(line)
    shutil.copytree(HERE / "theme", folder / "theme", dirs_exist_ok=True)
    (folder / "zensical.toml").write_text("\n".join(kept) + "\n", encoding="utf-8")


def build(folder: Path) -> str:
    """Build the site into `folder/html`; returns what the generator printed. A warning is an error."""
    shutil.rmtree(folder / "pages", ignore_errors=True)
    (folder / "pages").mkdir(parents=True)
    gathered(folder / "pages")
    configured(folder)
    command = [sys.executable, "-m", "zensical", "build", "--strict", "--clean", "--config-file", "zensical.toml"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    for unused in ("javascripts", "stylesheets/modern"):  # theme/main.html names neither
        shutil.rmtree(folder / "html" / "assets" / unused)
    return done.stdout + done.stderr


if __name__ == "__main__":
    into = Path(sys.argv[1] if sys.argv[1:] else "build/site").absolute()
    print(build(into), end="")
    print(f"built {into / 'html' / 'index.html'}")
