"""A finished network as files that others can use: ONNX, C for a microcontroller or a package of it, a page to draw on.

Every form is made from the same few steps (`lowering`), and each is checked against the network on available pictures
before it is handed over.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.errors import FileError, UsageError, nearest
from featherweight.export import c_source, page, proof
from featherweight.export.card import card
from featherweight.export.fixed_point import FixedPoint, quantise
from featherweight.export.lowering import Lowered, lower
from featherweight.export.memory import memory_report, planned
from featherweight.export.onnx_model import model_bytes, require_onnx, traced_bytes
from featherweight.export.packages import PACKAGES, frame_files, library_zip, package_files
from featherweight.export.proof import ExportError
from featherweight.export.source import Source, calibration_of, pictures_at_hand, source_of
from featherweight.io import scratch_folder, staged, write_bytes, write_text
from featherweight.networks import steps
from featherweight.training.runs.trained import TrainedModel

__all__ = ["FORMS", "ExportError", "Exported", "Source", "export", "page_of", "source_of", "steps_of"]

FORMS = ("onnx", "c", "page", *PACKAGES)

PAGE_PICTURES = 1000
"""The number of pictures that a page's weights are checked on; its arithmetic in a browser is checked in the tests."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The files that were written, and how their answers compare with the network's."""

    files: tuple[Path, ...]
    manifest: Path
    about: dict[str, Any]
    """The contents of the manifest: files with sizes and digests, their origin, and the figures of the check."""
    lines: tuple[str, ...]
    """The same as sentences for people."""


def export(
    trained: TrainedModel, form: str, out: Path, *, data_dir: Path | None = None, data: Data | None = None,
    unknown: bool = False,
) -> Exported:  # fmt: skip
    """Write a finished network as `onnx`, `c`, `page` or a package to the folder `out`, and check it.

    A package is the C for a tool that builds with it: `arduino`, `platformio`, `zephyr`, `esp-idf`, `micropython`,
    `rust` or `cmake`, in a folder NAME-FORM; it has a program that checks ten pictures on the chip.

    It is calibrated and checked on the pictures of its run, loaded from `data_dir` or where they were; or on `data`, if
    they were handed over in memory. With `unknown`, C and pages also answer "none of these", as it was calibrated.

    A model card, NAME-card.md, lies beside them. Raises UsageError for an unknown form, a layer that has no exported
    form or a missing package; FileError if the folder cannot be written to; and ExportError if the files do not give
    the network's answers, or if the network is not as accurate on the run's own test images as its record says. Unless
    all is well, `out` stays as it was.
    """
    if form not in FORMS:
        raise UsageError(f"Unknown form {form!r}; {nearest(form, FORMS)}")
    if form == "onnx":
        require_onnx()
        if unknown:
            raise UsageError('An ONNX file gives scores alone; "none of these" is for C, packages and pages.')
    source = source_of(trained, unknown)
    _lowered(source, form)
    if form == "page":
        page.require_digits(source)
    data = data or pictures_at_hand(trained.record, data_dir)
    proof.require_recorded(source, trained.record, data)
    return export_source(source, form, out, data, card(source, trained.record))


def export_source(source: Source, form: str, out: Path, data: Data, about_it: str) -> Exported:
    """Write a network in this form to the folder `out`, calibrated and checked on these pictures, with a card that says
    this; as `export`."""
    lowered = _lowered(source, form)
    writers: dict[str, Callable[..., Written]] = {"onnx": _onnx, "c": _c, "page": _page}
    writer = writers.get(form) or partial(_package, form)
    assert lowered is not None or form == "onnx"
    manifest = f"{source.name}-{form}.json"
    with staged(out, f"{source.name}-{form}") as stage:
        files, figures, lines = writer(source, lowered, data, stage)
        files += _written(stage, {f"{source.name}-card.md": about_it})
        figures["pictures_from"] = f"{data.name}, {'held-out' if data.holdout else 'test'} images"
        about = {"form": form, **source.about(), "files": _file_digests(files, stage), "proof": figures}
        write_text(stage / manifest, json.dumps(about, indent=1) + "\n")
        files = tuple(out / file.relative_to(stage) for file in files)
    notes = [data.note] if data.note else []
    return Exported(files=files, manifest=out / manifest, about=about, lines=(*notes, *lines))


def page_of(trained: TrainedModel) -> str:
    """The HTML of the page alone, as `export` writes it; UsageError if the network is not for digits of 28 x 28."""
    source = source_of(trained)
    page.require_digits(source)
    return page.page_html(source, lower(source.network, source.shape))


def steps_of(trained: TrainedModel) -> bytes:
    """The folded steps as a file that `predict` executes in numpy; the same network gives the same bytes."""
    source = source_of(trained)
    lowered = lower(source.network, source.shape)
    return steps.to_bytes(lowered.steps, source.mean, source.std, lowered.preprocessing)


def _lowered(source: Source, form: str) -> Lowered | None:
    """The network's steps; None if it has none and the form is ONNX, which PyTorch's own exporter then writes."""
    try:
        return lower(source.network, source.shape, source.bits)
    except UsageError:
        if form != "onnx":
            raise
        return None


def _written(out: Path, texts: Mapping[str, str | bytes]) -> tuple[Path, ...]:
    files = []
    for name, content in texts.items():
        path = out / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as problem:
            raise FileError(f"{path.parent} cannot be created ({problem.strerror}); name another.") from problem
        write_bytes(path, content if isinstance(content, bytes) else content.encode("utf-8"))
        files.append(path)
    return tuple(files)


def _file_digests(files: tuple[Path, ...], out: Path) -> dict[str, Any]:
    contents = {str(path.relative_to(out)): path.read_bytes() for path in files}
    return {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }


Written = tuple[tuple[Path, ...], dict[str, Any], list[str]]


def _onnx(source: Source, lowered: Lowered | None, data: Data, out: Path) -> Written:
    model = model_bytes(source, lowered) if lowered is not None else traced_bytes(source)
    figures = proof.onnx_proof(model, source, data.test)
    line = (
        f"ONNX Runtime on {figures['pictures']:,} test images of {data.name}: largest difference of a probability"
        f" {figures['largest_difference']:.1e}, {figures['different_answers']} different answers"
    )
    return _written(out, {f"{source.name}.onnx": model}), figures, [line]


def _c(source: Source, lowered: Lowered, data: Data, out: Path) -> Written:
    return _program(source, lowered, data, out / source.name)[1]


def _package(form: str, source: Source, lowered: Lowered, data: Data, out: Path) -> Written:
    with scratch_folder() as folder:
        network, (program, figures, lines) = _program(source, lowered, data, folder)
        texts = {file.name: file.read_text(encoding="utf-8") for file in program if file.parent == folder}
    folder = out / f"{source.name}-{form}"
    package = package_files(form, source, network, texts, data.test.images)
    files = _written(folder, package)
    if form == "arduino":
        files += _written(out, {f"{folder.name}.zip": library_zip(package, folder.name)})
    return files, figures, lines


def _program(source: Source, lowered: Lowered, data: Data, folder: Path) -> tuple[FixedPoint, Written]:
    """The network in integers, and its C in this folder, checked against both."""
    pictures, called = calibration_of(data)
    network = quantise(lowered, pictures, source.mean, source.std)
    texts = c_source.source_files(source, network, called)
    files = _written(folder, texts | frame_files(source))
    memory = planned(network)
    figures = proof.c_proof(folder, network, source, data.test)
    figures |= {"calibration": called, "flash_estimate": memory.flash, "ram_estimate": memory.ram}
    lines = [
        *memory_report(network, memory),
        f"{network.bits} bits on {figures['pictures']:,} test images of {data.name}: {figures['accuracy']:.2f} %, where"
        f" the network has {figures['network_accuracy']:.2f} %; {figures['different_answers']} different answers",
        "compiled here, the program gives the same scores on all of them"
        if figures["compiled"]
        else "not compiled here, since there is no C compiler (cc, gcc or clang)",
    ]
    if "refused" in figures:
        lines.append(
            f'{source.name}_known says "none of these" of {figures["refused"]:.2f} % of them, differently from the'
            f" network on {figures['different_refusals']}"
        )
    return network, (files, figures, lines)


def _page(source: Source, lowered: Lowered, data: Data, out: Path) -> Written:
    text = page.page_html(source, lowered)
    part = Split(images=data.test.images[:PAGE_PICTURES], labels=data.test.labels[:PAGE_PICTURES])
    figures = proof.steps_proof(page.steps_in_page(text, lowered), source, part)
    size = len(text.encode("utf-8"))
    line = (
        f"{size:,} bytes; its weights on {figures['pictures']:,} test images of {data.name}: largest difference of a"
        f" probability {figures['largest_difference']:.1e}, {figures['different_answers']} different answers"
    )
    return _written(out, {f"{source.name}.html": text}), figures, [line]
