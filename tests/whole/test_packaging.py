"""What the package says of itself: one version, metadata that hold, and no name on an index that is not ours."""

import os
import re
import runpy
import subprocess
import sys
import tarfile
import tomllib
from contextlib import chdir
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any
from unittest.mock import patch

import pytest
import yaml

import featherweight as fw

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_nobody_is_told_to_install_it_by_name_from_an_index() -> None:
    texts = [*ROOT.glob("*.md"), ROOT / "CITATION.cff", ROOT / "Dockerfile"]
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
    assert {"search", "onnx", "hdf5", "test"} <= named <= set(PROJECT["optional-dependencies"])


def test_the_version_is_one() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+", fw.__version__)
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    newest = re.findall(r"^## (\S+) \((\S+)\)$", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)[0]
    assert newest == (cited["version"], str(cited["date-released"])) == (fw.__version__, newest[1])
    assert (cited["title"], cited["license"]) == (PROJECT["name"], PROJECT["license"])
    assert f"({fw.__version__.rsplit('.', 1)[0]})" in (ROOT / "SECURITY.md").read_text(encoding="utf-8")


def test_top_level_texts_link_to_what_is_there() -> None:
    names = ("README", "CHANGELOG", "CONTRIBUTING", "SECURITY", "CODE_OF_CONDUCT")
    links = [link for name in names for link in re.findall(r"\]\(([^)#]+)", (ROOT / f"{name}.md").read_text("utf-8"))]
    assert len(links) > 30
    assert [link for link in links if "://" not in link and not (ROOT / link).exists()] == []


@pytest.fixture(scope="module")
def made() -> dict[str, Any]:
    """The names that setup.py defines."""
    with patch("setuptools.setup"), chdir(ROOT):
        return runpy.run_path(str(ROOT / "setup.py"))


def test_an_index_shows_the_readme_with_links_and_pictures_that_lead_somewhere(made: dict[str, Any]) -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.count("\n") <= 120
    shown = made["described"](readme, "https://host.example/a/b", "v0.2.0")
    targets = re.findall(r"(?:\]\(|src=\")([^)\"\s]+)", shown)
    assert len(targets) > 25 and [target for target in targets if not target.startswith("https://")] == []
    here = [target for target in targets if target.startswith("https://host.example/a/b/")]
    paths = [re.sub(r"https://host.example/a/b/(raw|blob)/v0.2.0/", "", target) for target in here]
    assert [path for path in paths if not (ROOT / path).exists()] == []
    pictures = [target for target in here if target.endswith((".svg", ".png"))]
    assert len(pictures) >= 1 and all("/raw/" in target for target in pictures)


def test_without_an_address_the_description_has_no_dead_link(made: dict[str, Any]) -> None:
    shown = made["described"]('[a](b.md) ![c](d.svg)\n<p>\n<img src="e.png">\n</p>\n\n```\n[k](l)\n```\n', "", "HEAD")
    assert shown == "a \n```\n[k](l)\n```\n"
    kept = "[a](https://a.example) [b](#b)"
    assert made["described"](kept, "", "HEAD") == made["described"](kept, "https://h.example", "HEAD") == kept


def test_the_address_is_the_projects_else_that_of_the_workflow(made: dict[str, Any]) -> None:
    workflow = {"GITHUB_REPOSITORY": "a/b", "GITHUB_SERVER_URL": "https://github.example"}
    assert made["repository"]({}, {}) == ""
    assert made["repository"]({}, workflow) == "https://github.example/a/b"
    assert made["repository"]({"urls": {"Repository": "https://x.example/y/"}}, workflow) == "https://x.example/y"


def test_forms_and_workflows_hold_what_their_readers_require() -> None:
    github = ROOT / ".github"
    for name in ("bug", "idea"):
        form = yaml.safe_load((github / "ISSUE_TEMPLATE" / f"{name}.yml").read_text(encoding="utf-8"))
        assert {"name", "description", "body"} <= set(form)
        ids = [item["id"] for item in form["body"] if item["type"] != "markdown"]
        assert len(ids) == len(set(ids)) >= 4
        assert all(item["attributes"].get("label") or item["type"] == "markdown" for item in form["body"])
    steps = yaml.safe_load((github / "workflows" / "ci.yml").read_text(encoding="utf-8"))["jobs"]["tests"]["steps"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    typed = [step["run"] for step in steps[-2:]]
    assert f"`{' && '.join(typed)}`" in readme
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"][0]["hooks"]
    assert [hook["entry"] for hook in hooks] == ["ruff check --fix", "ruff format", "mypy"]


def test_the_source_distribution_holds_what_its_tests_read(tmp_path: Path) -> None:
    copy = tmp_path / "source"
    copytree(
        ROOT, copy, ignore=ignore_patterns(".git", "*.so", "__pycache__", "*.egg-info", "build", ".*_cache", ".venv")
    )
    code = "import setuptools.build_meta as b, sys; print(b.build_sdist(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=copy, capture_output=True, text=True, check=False,
        env={**os.environ, "CXX": "false", "CC": "false"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    [archive] = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as packed:
        names = packed.getnames()
        [about] = [name for name in names if name.count("/") == 1 and name.endswith("/PKG-INFO")]
        file = packed.extractfile(about)
        told = file.read().decode() if file else ""
    top = f"{PROJECT['name']}-{fw.__version__}"
    held = {name.removeprefix(f"{top}/") for name in names}
    parts = ("src", "tests", "docs", "results", "benchmarks", "notebooks", ".github")
    wanted = {
        str(path.relative_to(copy))
        for part in parts
        for path in (copy / part).rglob("*")
        if path.is_file() and ".egg-info" not in str(path) and "notebooks/runs" not in str(path)
    }
    assert len(wanted) > 800 and wanted - held == set()
    alone = {
        "LICENSE",
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "Dockerfile",
        "pyproject.toml",
        "setup.py",
        "MANIFEST.in",
    }
    assert "Description-Content-Type: text/markdown" in told and "# featherweight\n" in told
    assert alone <= held and not any(name.endswith((".so", ".pyc")) for name in held)
