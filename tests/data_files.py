"""IDX files, small named sets and a mirror on this machine for the tests of the data layer."""

import gzip
import hashlib
import struct
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from featherweight.data.sets import DatasetSpec, File

TRAIN, TEST, SIDE = 23, 11, 7
"""Images of the small set; primes, so that no two dimensions can be exchanged unnoticed."""


def idx_bytes(values: Tensor) -> bytes:
    """The bytes of an IDX file with these uint8 or int32 values, written out from the format's description."""
    kind, code = {torch.uint8: (8, "B"), torch.int32: (12, ">i4")}[values.dtype]
    header = bytes([0, 0, kind, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.numpy().astype(np.dtype(code)).tobytes()


def small_images(count: int, seed: int = 3) -> Tensor:
    return torch.randint(0, 256, (count, SIDE, SIDE), generator=torch.Generator().manual_seed(seed)).to(torch.uint8)


def small_labels(count: int) -> Tensor:
    return (torch.arange(count) % 10).to(torch.uint8)


def contents() -> dict[str, bytes]:
    """Unpacked bytes of the four files of a small set, under MNIST's names."""
    return {
        "train-images-idx3-ubyte": idx_bytes(small_images(TRAIN, 3)),
        "train-labels-idx1-ubyte": idx_bytes(small_labels(TRAIN)),
        "t10k-images-idx3-ubyte": idx_bytes(small_images(TEST, 5)),
        "t10k-labels-idx1-ubyte": idx_bytes(small_labels(TEST)),
    }


def small_set(*mirrors: str, name: str = "mnist", title: str = "MNIST") -> DatasetSpec:
    """A named set of those files, with their digests."""

    def file(name: str, shape: tuple[int, ...]) -> File:
        return File(name=name, shape=shape, sha256=hashlib.sha256(contents()[name]).hexdigest())

    halves = [
        (file(f"{half}-images-idx3-ubyte", (count, SIDE, SIDE)), file(f"{half}-labels-idx1-ubyte", (count,)))
        for half, count in (("train", TRAIN), ("t10k", TEST))
    ]
    return DatasetSpec(name=name, title=title, train=halves[0], test=halves[1], mirrors=mirrors)


def write_set(folder: Path, *, packed: bool = True, only: str = "") -> Path:
    """Write those files, or those whose name starts with `only`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents().items():
        if name.startswith(only):
            path = folder / (f"{name}.gz" if packed else name)
            path.write_bytes(gzip.compress(content) if packed else content)
    return folder


@dataclass
class Mirror:
    """What a server on this machine gives, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    odd: dict[str, Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    """Path -> what to do instead of sending a file, once or for ever."""
    asked: list[tuple[str, str]] = field(default_factory=list)
    """Each path that was asked for, with its Range."""


@contextmanager
def mirror() -> Iterator[Mirror]:
    """A mirror that runs while the block does; it honours Range."""
    state = Mirror()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            span = self.headers.get("Range", "")
            state.asked.append((self.path, span))
            if self.path in state.odd:
                state.odd[self.path](self)
                return
            content = state.files.get(self.path)
            if content is None:
                self.send_error(404)
                return
            start = int(span.removeprefix("bytes=").rstrip("-")) if span else 0
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206 if span else 200)
            if span:
                self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
            self.send_header("Content-Length", str(len(content) - start))
            self.end_headers()
            self.wfile.write(content[start:])

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    state.address = f"http://127.0.0.1:{server.server_address[1]}/"
    state.files = {f"/{name}.gz": gzip.compress(content) for name, content in contents().items()}
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.01), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def picture_folder(folder: Path, classes: Sequence[str] = ("cat", "dog", "cow"), each: int = 20) -> Path:
    """A folder of small grey pictures, one folder a class within `train` and `test`; every class has its brightness."""
    draws = np.random.default_rng(0)
    for part, count in (("train", each), ("test", each // 2)):
        for number, name in enumerate(classes):
            (folder / part / name).mkdir(parents=True)
            for at in range(count):
                pixels = draws.integers(0, 60, (12, 12)) + 60 * number
                Image.fromarray(pixels.astype(np.uint8)).save(folder / part / name / f"{at}.png")
    return folder
