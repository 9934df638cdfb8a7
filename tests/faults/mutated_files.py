"""Mutated data, pictures and weights: only the project's own errors, at once, and no growth in memory."""

import bz2
import gzip
import io
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

from featherweight.data import folder as pictures_of
from featherweight.data import formats, sets
from featherweight.errors import FeatherweightError
from featherweight.training.runs.trained import load_trained

from .harness import FAST, ROOT, apart, memory_mb, train, warmed
from .mutations import mutated, signed


def trial(**counts: int) -> list[dict[str, Any]]:
    """For each kind of file: read, refused, anything else, the slowest in ms of processor time, and MB of growth.

    `counts` gives the number of mutations of each kind, of idx, pictures, weights, records, states and texts.
    """
    warmed()
    return [apart(lambda kind=kind, count=count: KINDS[kind](count)) for kind, count in counts.items()]  # type: ignore[misc]


def _tried(kind: str, count: int, make: Callable[[random.Random], None], read: Callable[[], Any]) -> dict[str, Any]:
    """Make a file and read it, so many times."""
    draws = random.Random(0)
    found: Counter[str] = Counter({"read": 0, "refused": 0, "other errors": 0})
    slowest, before = 0.0, 0.0
    for number in range(count + 10):
        if number == 10:  # what is imported and kept for good has been by now
            before = memory_mb()
            found.clear()
            slowest = 0.0
        make(draws)
        started = time.process_time()
        try:
            read()
            found["read"] += 1
        except FeatherweightError:
            found["refused"] += 1
        except Exception as problem:
            found["other errors"] += 1
            print(f"{kind}: {type(problem).__name__}: {problem}", flush=True)
        slowest = max(slowest, time.process_time() - started)
    kinds = {name: found[name] for name in ("read", "refused", "other errors")}
    return {"files": kind, "tried": count, **kinds, "slowest_ms": round(1000 * slowest, 1),
            "growth_mb": round(memory_mb() - before, 1)}  # fmt: skip


def idx_files() -> list[bytes]:
    """Images of 5 x 7 and labels, plain and gzipped."""
    images = bytes((0, 0, 8, 3)) + b"".join(n.to_bytes(4, "big") for n in (11, 5, 7)) + bytes(range(256)) * 2
    images = images[: 16 + 11 * 5 * 7]
    labels = bytes((0, 0, 8, 1)) + (11).to_bytes(4, "big") + bytes(range(11))
    return [images, labels, gzip.compress(images), gzip.compress(labels)]


def _idx(count: int) -> dict[str, Any]:
    with TemporaryDirectory(dir=FAST) as name:
        path = Path(name) / "file"
        kinds = idx_files()
        shapes: list[tuple[int | None, ...]] = [(None, 5, 7), (None,)]
        at = 0

        def make(draws: random.Random) -> None:
            nonlocal at
            at += 1
            path.write_bytes(mutated(kinds[at % 4], draws))

        return _tried("IDX", count, make, lambda: formats.read_idx(path, shape=shapes[at % 2]))


def picture_files() -> dict[str, bytes]:
    """A small picture in each format that is read, by suffix."""
    values = np.random.default_rng(0).integers(0, 256, (19, 23, 3), dtype=np.uint8)
    picture = Image.fromarray(values)
    files = {}
    for suffix, kind in {
        "png": "PNG",
        "jpg": "JPEG",
        "bmp": "BMP",
        "gif": "GIF",
        "webp": "WEBP",
        "tif": "TIFF",
    }.items():
        into = io.BytesIO()
        picture.save(into, kind)
        files[suffix] = into.getvalue()
    return files


def _pictures(count: int) -> dict[str, Any]:
    with TemporaryDirectory(dir=FAST) as name:
        root = Path(name)
        files = picture_files()
        for label in ("a", "b"):
            (root / label).mkdir()
            for number in range(2):
                (root / label / f"good{number}.png").write_bytes(files["png"])
        suffixes = sorted(files)

        def make(draws: random.Random) -> None:
            for old in (root / "b").glob("mutated.*"):
                old.unlink()
            suffix = draws.choice(suffixes)
            (root / "b" / f"mutated.{suffix}").write_bytes(mutated(files[suffix], draws))

        return _tried("pictures", count, make, lambda: pictures_of.load(root, with_test=True, seed=0))


def _weights(count: int) -> dict[str, Any]:
    """Half of them with the digest made good, so that what lies behind it is tried too."""
    with TemporaryDirectory(dir=FAST) as name:
        train(Path(name), "torch")
        folder = Path(name) / "tiny-seed0"
        path = folder / "weights.safetensors"
        whole = path.read_bytes()
        shutil.copy(path, folder / "whole")

        def make(draws: random.Random) -> None:
            damaged = mutated(whole, draws)
            path.write_bytes(signed(damaged) if draws.random() < 0.5 else damaged)

        return _tried("weights", count, make, lambda: load_trained(folder))


def _records(count: int) -> dict[str, Any]:
    """Committed records, and pages of those that are read: one in fifty, since a page takes its time."""
    from featherweight.experiments.record import read_record
    from featherweight.report.page import page, read_story, sections

    whole = (ROOT / "results" / "f3" / "seed0.json").read_bytes()
    with TemporaryDirectory(dir=FAST) as name:
        path = Path(name) / "record.json"
        read = 0

        def tried() -> None:
            nonlocal read
            read_record(path)
            read += 1
            if read % 50 == 1:
                story = read_story([path])
                page(story, sections(story))

        return _tried("records", count, lambda draws: _write(path, mutated(whole, draws)), tried)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def _states(count: int) -> dict[str, Any]:
    """Half of them with the digest made good, as weights."""
    import torch

    from featherweight.training.runs.checkpoint import load_state, save_state
    from featherweight.training.state import initial_state

    experiment, data = warmed()
    state = initial_state(experiment.build(), experiment.recipe, torch.device("cpu"), len(data.train))
    with TemporaryDirectory(dir=FAST) as name:
        path = Path(name) / "state.safetensors"
        save_state(state, {"seed": 0}, path)
        whole = path.read_bytes()

        def make(draws: random.Random) -> None:
            damaged = mutated(whole, draws)
            path.write_bytes(signed(damaged) if draws.random() < 0.5 else damaged)

        return _tried("states", count, make, lambda: load_state(state, {"seed": 0}, path))


def _texts(count: int) -> dict[str, Any]:
    """USPS's text, half of them packed after they were changed."""
    file = sets.File(name="usps.bz2", shape=(3, 1, 3, 4), form="sparse")
    values = " ".join(f"{at}:{at / 13:.3f}" for at in range(1, 13))
    text = "".join(f"{label} {values}\n" for label in (1, 2, 3)).encode()
    with TemporaryDirectory(dir=FAST) as name:
        path = Path(name) / file.name

        def make(draws: random.Random) -> None:
            path.write_bytes(
                bz2.compress(mutated(text, draws)) if draws.random() < 0.5 else mutated(bz2.compress(text), draws)
            )

        return _tried("texts", count, make, lambda: formats.read_labelled(path, file))


KINDS: dict[str, Callable[[int], dict[str, Any]]] = {
    "idx": _idx, "pictures": _pictures, "weights": _weights, "records": _records, "states": _states, "texts": _texts
}  # fmt: skip
