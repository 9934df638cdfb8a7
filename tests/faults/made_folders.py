"""`featherweight fit` on made folders of all kinds, half a minute each: a network that is whole, or a sentence.

`PYTHONPATH=tests python -m tests.faults folders`. Folders differ in classes, pictures of each, sides, modes, formats
and whether there is a test folder; each search is a process of its own.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from PIL import Image

MODES = ("L", "RGB", "RGBA", "P", "1", "I;16", "CMYK", "LA")
FORMATS = {"L": ("png", "jpg", "bmp", "pgm", "webp"), "RGB": ("png", "jpg", "bmp", "ppm", "webp"), "CMYK": ("jpg",)}
"""Of the modes that more than PNG can hold."""
MANY = (100, 300, 1000, 200, 100)
"""Classes of one folder in twenty."""
SECONDS = 30


@dataclass(frozen=True)
class Made:
    """What a folder holds."""

    classes: int
    counts: tuple[int, ...]
    """Pictures of each class."""
    side: tuple[int, int]
    mode: str
    format: str
    tests: int
    """Test pictures of each class; 0 for no test folder."""


def drawn(count: int, seed: int = 0) -> Iterator[Made]:
    """So many folders: every second one small, one in twenty with many classes or large pictures."""
    draws = random.Random(seed)
    for number in range(count):
        mode = MODES[number % len(MODES)]
        classes = MANY[number // 20 % 5] if number % 20 == 7 else draws.choice((2, 2, 3, 3, 4, 5, 8, 10, 26))
        most = 6 if classes >= 100 else 60 if number % 2 else 12
        alike = draws.randint(2, most)
        counts = tuple(draws.randint(2, most) if number % 3 == 0 else alike for _ in range(classes))
        if classes == 2 and sum(counts) < 6:
            counts = (3, 3)
        side = draws.randint(120, 400) if number % 20 == 11 else draws.randint(5, 64)
        wide = side if number % 4 else max(5, side + draws.randint(-4, 20))
        format = draws.choice(FORMATS.get(mode, ("png",)))
        yield Made(classes, counts, (side, wide), mode, format, draws.choice((0, 2, 5)))


def write(made: Made, folder: Path, seed: int) -> None:
    """The pictures: each class has a pattern of its own, moved and noisy."""
    draws = np.random.default_rng(seed)
    high, wide = made.side
    for label, count in enumerate(made.counts):
        coarse = draws.uniform(0, 255, (4, 4))
        pattern = np.asarray(Image.fromarray(coarse.astype(np.uint8)).resize((wide, high), Image.Resampling.BICUBIC))
        for half, number in (("train", count), ("test", made.tests)):
            place = folder / half / f"class-{label:03}" if made.tests else folder / f"class-{label:03}"
            for one in range(number if made.tests or half == "train" else 0):
                place.mkdir(parents=True, exist_ok=True)
                moved = np.roll(pattern, draws.integers(-2, 3, 2), (0, 1)) + draws.normal(0, 20, pattern.shape)
                grey = np.clip(moved, 0, 255).astype(np.uint8)
                picture = Image.fromarray(grey)
                if made.mode == "I;16":
                    picture = Image.fromarray(grey.astype(np.uint16) * 257)
                elif made.mode == "RGB":
                    picture = Image.fromarray(np.stack([grey, 255 - grey, np.roll(grey, 1)], 2))
                else:
                    picture = picture.convert(made.mode)
                picture.save(place / f"{draws.integers(1 << 40):011x}-{one}.{made.format}")


def fitted(made: Made, seed: int, minutes: float = SECONDS / 60) -> dict[str, Any]:
    """How a search on such a folder ends: its status, seconds, whether the result is whole, whether it told why not."""
    with TemporaryDirectory(prefix="folders-") as name:
        write(made, Path(name) / "pictures", seed)
        words = ["fit", str(Path(name) / "pictures"), "--minutes", str(minutes), "--out", f"{name}/out"]
        started = time.perf_counter()
        done = subprocess.run(
            [sys.executable, "-m", "featherweight", *words],
            capture_output=True, text=True, check=False, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip
        took = time.perf_counter() - started
        result = Path(name) / "out" / "fit.json"
        whole = False
        if result.exists():
            values = json.loads(result.read_text(encoding="utf-8"))
            programs = [*Path(name).glob("out/export/*/*.c")]
            whole = bool(programs) and values["c"]["images"] > 0 and (result.parent / "MODEL_CARD.md").exists()
        refused = done.returncode in (2, 3, 4) and done.stderr.startswith("Error: ") and not result.exists()
        return {"status": done.returncode, "seconds": took, "whole": whole and done.returncode in (0, 1),
                "refused": refused, "said": done.stderr[-2000:]}  # fmt: skip


def trial(count: int, seed: int = 0) -> dict[str, Any]:
    """The counts over so many folders; raises AssertionError with the words of one that ended otherwise."""
    ends: dict[str, Any] = {"folders": count, "networks": 0, "refused": 0, "warned": 0, "slowest_s": 0.0}
    for number, made in enumerate(drawn(count, seed)):
        found = fitted(made, number)
        if not (found["whole"] or found["refused"]):
            raise AssertionError(f"{made}: {found}")
        ends["networks"] += found["whole"]
        ends["refused"] += found["refused"]
        ends["warned"] += found["whole"] and found["status"] == 1
        ends["slowest_s"] = round(max(ends["slowest_s"], found["seconds"]), 1)
    return ends
