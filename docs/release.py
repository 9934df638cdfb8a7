"""Builds a release in a folder: source distribution, wheel, site, list of components (SBOM) and checksums.

python -m docs.release [FOLDER]          # build/release by default; it must be new or empty
"""

import hashlib
import json
import re
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
CHECK = (
    "import featherweight as fw; from featherweight.engine import instructions;"
    "print(fw.__version__, 'kernels:', instructions() or 'none', fw.load('f3'))"
)
"""What must work with nothing but the wheel, its dependencies and no compiler."""


def main() -> None:
    """Build everything into the folder that is named."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "release").resolve()
    if folder.exists() and any(folder.iterdir()):
        sys.exit(f"{folder} is not empty; name a new folder.")
    folder.mkdir(parents=True, exist_ok=True)
    _run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT))
    wheel = portable(next(folder.glob("*.whl")))
    print(check(wheel, folder / "installed"))
    _run(sys.executable, "-m", "docs.site.build")
    shutil.make_archive(str(folder / f"{wheel.name.split('-py3')[0]}-site"), "zip", ROOT / "build" / "site" / "html")
    parts = json.dumps(components(wheel.name.split("-")[1]), indent=1) + "\n"
    (folder / "sbom.cdx.json").write_text(parts, encoding="utf-8")
    (folder / "SHA256SUMS").write_text(checksums(folder), encoding="utf-8")
    print("\n".join(f"{path.stat().st_size:12,} bytes  {path.name}" for path in sorted(folder.iterdir())))


def _run(*words: str) -> None:
    subprocess.run(words, cwd=ROOT, check=True)


def portable(wheel: Path) -> Path:
    """The wheel with the tag of the oldest Linux that it runs on, in place of itself; elsewhere, itself."""
    if not sys.platform.startswith("linux"):
        return wheel
    repaired = wheel.parent / "repaired"
    _run(sys.executable, "-m", "auditwheel", "repair", "--wheel-dir", str(repaired), str(wheel))
    wheel.unlink()
    moved = shutil.move(next(repaired.glob("*.whl")), wheel.parent)
    repaired.rmdir()
    return Path(moved)


def check(wheel: Path, place: Path) -> str:
    """What the wheel says when nothing but it is imported; raises where it fails or has no kernels."""
    quiet = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(place), str(wheel)]
    environment = {"PATH": "/usr/bin:/bin", "CC": "false", "CXX": "false", "PYTHONPATH": str(place)}
    subprocess.run(quiet, check=True, env=environment)
    told = subprocess.run(
        [sys.executable, "-c", CHECK], check=True, cwd=place, env=environment, capture_output=True, text=True
    ).stdout.strip()
    shutil.rmtree(place)
    if "kernels: none" in told:
        sys.exit(f"{wheel.name} holds no kernels: {told}")
    return told


def components(version: str) -> dict[str, Any]:
    """The package and all that it needs, as installed here, in CycloneDX's form; the kernels and the C use nothing."""
    needed = requirements("featherweight")
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_DNS, f'featherweight {version} {needed}')}",
        "version": 1,
        "metadata": {"component": {"type": "library", "name": "featherweight", "version": version,
                                   "licenses": [{"license": {"id": "MIT"}}]}},
        "components": [
            {"type": "library", "name": name, "version": number, "purl": f"pkg:pypi/{name}@{number}"}
            for name, number in sorted(needed.items())
        ],
    }  # fmt: skip


def requirements(package: str) -> dict[str, str]:
    """The version of everything that a package needs to be used, without extras, and what those need in turn."""
    found: dict[str, str] = {}
    waiting = list(_needed_by(package))
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = distribution(name).version
        except PackageNotFoundError:  # needed on another system or by another Python
            continue
        waiting += _needed_by(name)
    return found


def _needed_by(package: str) -> Iterable[str]:
    for line in distribution(package).requires or ():
        if "extra ==" not in line:
            yield re.match(r"[\w.-]+", line)[0].lower().replace("_", "-")  # type: ignore[index]


def checksums(folder: Path) -> str:
    """The SHA-256 of each file of a folder, in the form that `sha256sum --check` reads."""
    files = sorted(path for path in folder.iterdir() if path.is_file() and path.name != "SHA256SUMS")
    return "".join(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files)


if __name__ == "__main__":
    main()
