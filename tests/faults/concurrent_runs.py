"""Many runs started at once into one folder, with one cold cache and one server on this machine."""

import gzip
import hashlib
import os
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featherweight import cli
from featherweight.data import download, sets
from featherweight.data.split import Split
from featherweight.experiments.record import read_record

from .harness import LEFT, TINY, forked, told, warmed


def trial(count: int) -> dict[str, Any]:
    """How many of so many runs left a whole record, and how often each file was asked for."""
    files = _idx_files()
    with TemporaryDirectory(prefix="crowd-") as name, _served(files) as (address, asked):
        root = Path(name)
        _set_up(files, address)
        gate, opened = os.pipe()
        waiting = [forked(lambda: _train(root, gate, opened)) for _ in range(count)]
        os.close(opened)  # the last writing end: whoever reads from the gate goes on
        statuses = [told(*one) for one in waiting]
        os.close(gate)
        folders = sorted((root / "runs").iterdir())
        whole = [folder for folder in folders if sorted(path.name for path in folder.iterdir()) == LEFT]
        records = [read_record(folder) for folder in whole]
        kept = sorted(path.name for path in (root / "cache").rglob("*") if path.is_file())
    return {
        "started": count,
        "ended well": statuses.count(0),
        "whole records": sum(record.finished and len(record.rows) == 2 for record in records),
        "folders": len(folders),
        "files": len(files),
        "requests": sum(asked.values()),
        "other files in the cache": len(set(kept) - set(files)),
    }


def _idx_files() -> dict[str, bytes]:
    """The embedded digits as the four files of MNIST, gzipped, by name."""
    _, data = warmed()
    files = {}
    for half, split in (("train", data.train), ("t10k", data.test)):
        files[f"{half}-images-idx3-ubyte.gz"] = gzip.compress(_images(split))
        header = bytes((0, 0, 8, 1)) + len(split).to_bytes(4, "big")
        files[f"{half}-labels-idx1-ubyte.gz"] = gzip.compress(header + bytes(split.labels.tolist()))
    return files


def _images(split: Split) -> bytes:
    sizes = (len(split), 28, 28)
    header = bytes((0, 0, 8, 3)) + b"".join(size.to_bytes(4, "big") for size in sizes)
    return header + split.images.numpy().tobytes()


def _set_up(files: dict[str, bytes], address: str) -> None:
    """Let `mnist` be these files, from that server alone; in this process and those that are forked from it."""

    def known(half: str, images: int) -> tuple[sets.File, sets.File]:
        pair = []
        for name, shape in ((f"{half}-images-idx3-ubyte", (images, 28, 28)), (f"{half}-labels-idx1-ubyte", (images,))):
            digest = hashlib.sha256(gzip.decompress(files[f"{name}.gz"])).hexdigest()
            pair.append(sets.File(name=name, shape=shape, sha256=digest))
        return pair[0], pair[1]

    _, data = warmed()
    halves = {"train": known("train", len(data.train)), "test": known("t10k", len(data.test))}
    sets.SETS["mnist"] = replace(sets.SETS["mnist"], mirrors=(address,), archive="", per_class=None, **halves)  # type: ignore[arg-type]
    download.PLAIN_HTTP = frozenset({"127.0.0.1"})


def _train(root: Path, gate: int, opened: int) -> int:
    """In a process of its own: wait for the gate, then train as from the command line; its exit status."""
    os.close(opened)
    for name in ("FEATHERWEIGHT_DATA", "http_proxy", "https_proxy"):
        os.environ.pop(name, None)
    os.environ["XDG_CACHE_HOME"] = str(root / "cache")
    sys.argv = ["featherweight", "train", str(TINY), "--data", "mnist", "--out", str(root / "runs"), "--threads", "1"]
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 -- for as long as the process lives
    os.read(gate, 1)
    try:
        cli.main()
    except SystemExit as end:
        return int(str(end.code or 0))
    return 0


@contextmanager
def _served(files: dict[str, bytes]) -> Iterator[tuple[str, Counter[str]]]:
    """A server of these files on this machine: its address, and how often each was asked for."""
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked[self.path] += 1
            content = files.get(self.path.lstrip("/"), b"")
            self.send_response(200 if content else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/", asked
    finally:
        server.shutdown()
        server.server_close()
