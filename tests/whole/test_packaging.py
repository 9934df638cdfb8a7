"""What the package says of itself: one version, metadata that hold, and no name on an index that is not ours."""

import re
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_nobody_is_told_to_install_it_by_name_from_an_index() -> None:
    texts = [*ROOT.glob("*.md"), *ROOT.glob("Dockerfile"), *ROOT.glob("*.cff")]
    for folder, kinds in (("src", "*.py"), ("docs", "*.md"), ("notebooks", "*.ipynb"), ("notebooks", "*.md")):
        texts += (ROOT / folder).rglob(kinds)
    assert len(texts) > 250
    by_name = re.compile(r"(?:pip3?|uv|pipx|uvx)\s+(?:pip\s+)?(?:install|add|run)\b[^\n`&|;]*?[ '\"]featherweight\b")
    assert by_name.search("pip install featherweight") and by_name.search("pip install -U 'featherweight[onnx]'")
    assert not by_name.search("pip install . && featherweight train")
    found = [str(path.relative_to(ROOT)) for path in texts if by_name.search(path.read_text(encoding="utf-8"))]
    assert found == []


def test_every_extra_that_a_text_names_exists() -> None:
    named: set[str] = set()
    for path in [ROOT / "README.md", *(ROOT / "src").rglob("*.py"), *(ROOT / "docs").rglob("*.md")]:
        for extras in re.findall(r"'\.\[([a-z0-9,]+)\]'", path.read_text(encoding="utf-8")):
            named |= set(extras.split(","))
    assert {"search", "onnx", "track", "hdf5", "test"} <= named <= set(PROJECT["optional-dependencies"])
