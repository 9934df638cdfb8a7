"""A network's C as a package for the tools that people build with: Arduino, CMake, ESP-IDF, MicroPython and others."""

import io
import re
import textwrap
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import PIL
import torch
from torch import Tensor

from featherweight.data.pictures import KEPT_SIDE, SIDE, fitting_of, size_kept
from featherweight.experiments.record import Size
from featherweight.export import integers
from featherweight.export.fixed_point import FixedPoint
from featherweight.export.page import DIGITS
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
CAMERA: Mapping[str, tuple[str, ...]] = {
    "arduino": ("camera", "arduino-camera"), "platformio": ("camera", "arduino-camera"),
    "esp-idf": ("camera", "esp-idf-camera"),
}  # fmt: skip
"""Folders of the examples for a camera, where the network takes a camera's frames."""
_FRAMES = re.compile(r".*_frame\.[ch].*\n|#ifdef \w+_FRAME_H\n(?s:.*?)#endif\n\n?")
"""What a package's files have for frames alone."""
CHECKS = 10
"""Pictures in the check that a package runs on its chip."""


def package_files(
    form: str, source: Source, network: FixedPoint, program: Mapping[str, str], pictures: Tensor
) -> dict[str, str]:
    """The texts of a package, by their paths in its folder; the same network gives the same texts.

    `program` has the files of `c_source` and of `frame_files`; `pictures` are uint8 [N C H W], of which ten are in the
    package's check.
    """
    count = min(CHECKS, len(pictures))
    chosen = pictures[torch.arange(count) * len(pictures) // count]
    channels, height, width = source.shape
    framed = f"{source.name}_frame.c" in program
    modules = ("frame",) * framed + ("known",) * (source.calibration is not None)
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
        "MODULES": "".join(f"\nmod {name};\npub use {name}::*;\n" for name in modules),
        "SCORES": _numbers(integers.integer_scores(network, chosen).flatten().tolist()),
    }
    folders = (*PACKAGES[form], *(CAMERA.get(form, ()) if framed else ()))
    folders += tuple(f"rust-{name}" for name in modules) if form == "rust" else ()
    found = {name: text for folder in folders for name, text in _filled(folder, source.name, values).items()}
    if not framed:  # build files name each file of C in a line of its own
        found = {name: _FRAMES.sub("", text) for name, text in found.items()}
    stems = ("", "_frame") if framed else ("",)
    own = [f"{source.name}{stem}.{end}" for stem in stems for end in "hc"]
    return {f"src/{name}": program[name] for name in own} | found


def frame_files(source: Source) -> dict[str, str]:
    """NAME_frame.c and .h, by name, which make a camera's frame a picture; nothing if the network takes no frames.

    Its bytes are those of `data.pictures.fit_to_shape` with this version of Pillow.
    """
    if not takes_frames(source):
        return {}
    values = {
        "GREY": str(grey_first(source.size)),
        "FITTING": {None: "STRETCH", "centre": "CENTRE", "fit": "FIT"}[fitting_of(source.size)],
        "BROUGHT": {
            None: "The whole frame, stretched to the picture's size,",
            "centre": "The middle of the frame, in the proportions of the picture,",
            "fit": "The whole frame in its proportions, with black beside it,",
        }[fitting_of(source.size)],
        "TALL": str(int(tall_first(PIL.__version__))),
        "PILLOW": PIL.__version__.split(".")[0],
    }
    return {name.removeprefix("src/"): text for name, text in _filled("frame", source.name, values).items()}


def takes_frames(source: Source) -> bool:
    """Whether a whole picture, resized, is what this network takes: not so digits, which NAME_normalise prepares."""
    return source.shape[0] in (1, 3) and (source.shape, source.classes) != ((1, 28, 28), DIGITS)


def _filled(folder: str, name: str, values: Mapping[str, str]) -> dict[str, str]:
    """The files of a folder, with the network's name, and the values of the words between @ and @."""
    return {
        named(path.relative_to(FILES / folder).as_posix(), name): re.sub(
            r"@([A-Z]+)@", lambda word: values[word[1]], named(path.read_text(encoding="utf-8"), name)
        )
        for path in sorted((FILES / folder).rglob("*"))
        if path.is_file()
    }


def grey_first(size: Size) -> int:
    """The longest side of frames that lose their colours before they are resized, where this size was requested.

    >>> grey_first((48, 64)), grey_first(None)
    (0, 64)
    """
    return next(side for side in (SIDE, KEPT_SIDE, 0) if side == 0 or size_kept((side, 1), size))


def tall_first(version: str) -> bool:
    """Whether this version of Pillow begins with a picture's columns where its height shrinks by much more.

    >>> tall_first("12.1.0"), tall_first("13.0.0")
    (False, True)
    """
    return int(version.split(".")[0]) >= 13


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
