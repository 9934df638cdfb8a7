"""A network's C as a package for the tools that people build with: Arduino, CMake, ESP-IDF, MicroPython and others."""

import io
import re
import textwrap
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from featherweight.export import integers
from featherweight.export.fixed_point import FixedPoint
from featherweight.export.source import Source

FILES = Path(__file__).parent / "packages"
"""Files of packages, by folder, for a network called `model`; its name takes the place of that one."""
PACKAGES: Mapping[str, tuple[str, ...]] = {
    "arduino": ("shared", "arduino"),
    "platformio": ("shared", "arduino", "platformio"),
    "zephyr": ("shared", "zephyr"),
    "esp-idf": ("shared", "esp-idf"),
    "micropython": ("shared", "micropython"),
    "rust": ("shared", "rust"),
    "cmake": ("shared", "cmake"),
}
"""The folders whose files each form of package has; the network's own C lies in its `src`."""
CHECKS = 10
"""Pictures in the check that a package runs on its chip."""


def package_files(
    form: str, source: Source, network: FixedPoint, program: Mapping[str, str], pictures: Tensor
) -> dict[str, str]:
    """The texts of a package, by their paths in its folder; the same network gives the same texts.

    `program` has the files of `c_source`; `pictures` are uint8 [N C H W], of which ten are in the package's check.
    """
    count = min(CHECKS, len(pictures))
    chosen = pictures[torch.arange(count) * len(pictures) // count]
    channels, height, width = source.shape
    values = {
        # Numbers and names of the package's own alone: what a folder or a class is called would have to be escaped
        # differently in each file.
        "ABOUT": f"A network of {source.parameters:,} parameters that tells {len(source.classes)} classes of pictures"
        f" of {channels} x {height} x {width} apart",
        "VERSION": source.version,
        "COUNT": str(len(chosen)),
        "PIXELS": str(channels * height * width),
        "CLASSES": str(len(source.classes)),
        "PICTURES": _numbers(chosen.permute(0, 2, 3, 1).flatten().tolist()),
        "SCORES": _numbers(integers.integer_scores(network, chosen).flatten().tolist()),
    }
    found = {f"src/{name}": program[name] for name in (f"{source.name}.h", f"{source.name}.c")}
    for folder in PACKAGES[form]:
        for path in sorted((FILES / folder).rglob("*")):
            if path.is_file():
                name = named(path.relative_to(FILES / folder).as_posix(), source.name)
                text = named(path.read_text(encoding="utf-8"), source.name)
                found[name] = re.sub(r"@([A-Z]+)@", lambda word: values[word[1]], text)
    return found


def named(text: str, name: str) -> str:
    """The text with this name where it has `model`, as a word or before an underscore.

    >>> named("src/model.c model_check CONFIG_MODEL_FAST remodel models", "f3")
    'src/f3.c f3_check CONFIG_F3_FAST remodel models'
    """
    found = re.sub(r"(?<![A-Za-z0-9])model(?![A-Za-z0-9])", name, text)
    return re.sub(r"(?<![A-Za-z0-9])MODEL(?=_)", name.upper(), found)


def library_zip(files: Mapping[str, str], folder: str) -> bytes:
    """The files in one folder as a ZIP file, as the Arduino IDE takes it; the same files give the same bytes."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(f"{folder}/{name}"), text, zipfile.ZIP_DEFLATED)
    return content.getvalue()


def _numbers(values: Iterable[int]) -> str:
    return textwrap.fill(", ".join(map(str, values)), 110, initial_indent="    ", subsequent_indent="    ",
                         break_on_hyphens=False)  # fmt: skip
