"""What the package says of itself: one version, metadata that hold, and no name on an index that is not ours."""

import json
import os
import re
import runpy
import subprocess
import sys
import tarfile
from contextlib import chdir
from pathlib import Path
from shutil import copytree, ignore_patterns
from typing import Any
from unittest.mock import patch

import numpy
import pytest
import tomllib
import yaml
from docs import release
from setuptools import Distribution

import featherweight as fw
from featherweight.engine import native

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
    settings = {"featherweight": {"repository": ""}}
    assert made["repository"](settings, {}) == "" and made["addresses"]("") == {}
    assert made["repository"](settings, workflow) == "https://github.example/a/b"
    address = made["repository"]({"featherweight": {"repository": "https://x.example/y/"}}, workflow)
    assert address == "https://x.example/y"
    assert made["addresses"](address)["Issues"] == "https://x.example/y/issues"
    assert made["addresses"](address)["Repository"] == address


def test_one_wheel_serves_every_python(made: dict[str, Any]) -> None:
    wheel = made["KernelWheel"](Distribution({"name": "it", "version": "1", "ext_modules": made["extensions"]()}))
    wheel.ensure_finalized()
    python, binary, system = wheel.get_tag()
    assert (python, binary) == ("py3", "none") and system != "any"


def test_a_release_lists_what_it_needs_and_the_digest_of_each_file(tmp_path: Path) -> None:
    parts = release.components("9.9.9")
    names = {part["name"]: part for part in parts["components"]}
    everywhere = [line for line in PROJECT["dependencies"] if ";" not in line]
    needed = {re.match(r"[\w-]+", line)[0] for line in everywhere}  # type: ignore[index]
    assert needed <= set(names) and "markupsafe" in names and "pytest" not in names  # of Jinja2; of an extra
    assert names["numpy"]["purl"] == f"pkg:pypi/numpy@{numpy.__version__}"
    assert parts["bomFormat"] == "CycloneDX" and parts["metadata"]["component"]["version"] == "9.9.9"
    assert parts == release.components("9.9.9")
    (tmp_path / "a.whl").write_bytes(b"abc")
    (tmp_path / "SHA256SUMS").write_text("old")
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert release.checksums(tmp_path) == f"{digest}  a.whl\n"


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux") or not native.library(), reason="Linux with a compiler")
def test_the_wheel_runs_on_every_instruction_set_without_a_compiler(tmp_path: Path) -> None:
    """Built as a release is, installed apart; each set is forced, and trains as the others but for their rounding."""
    pytest.importorskip("build", reason="pip install '.[release]'")
    pytest.importorskip("auditwheel", reason="pip install '.[release]'")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT], check=True)
    wheel = release.portable(next(tmp_path.glob("*.whl")))
    assert re.fullmatch(rf"featherweight-{fw.__version__}-py3-none-manylinux_2_\d+_\w+\.whl", wheel.name)
    assert fw.__version__ in release.check(wheel, tmp_path / "installed")
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "-t", tmp_path / "it", wheel], check=True
    )
    words = [sys.executable, "-m", "featherweight", "train", "f3", "--data", "digits", "--engine", "native",
             "--epochs", "1", "--threads", "1", "--json", "--out", tmp_path / "runs"]  # fmt: skip
    used, losses = [], []
    for kind in ("default", "avx2", "avx512"):
        environment = os.environ | {"PYTHONPATH": str(tmp_path / "it"), "ATEN_CPU_CAPABILITY": kind, "CXX": "false"}
        done = subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        told = json.loads(done.stdout)
        used.append(json.loads((tmp_path / told["run"] / "record.json").read_text())["environment"]["instructions"])
        losses.append(told["epochs"][0]["train_loss"])
    assert used == ["DEFAULT", "AVX2", "AVX512"] and max(losses) - min(losses) < 0.2


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
