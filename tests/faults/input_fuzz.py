"""What is sent through each door but that of pictures: records, states, studies, mirrors, folders, networks."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import nn

from featherweight.data import download, pictures
from featherweight.data.formats import read_idx
from featherweight.errors import DataError, FeatherweightError, FileError
from featherweight.experiments.record import read_record
from featherweight.export import c_source
from featherweight.export.fixed_point import quantise
from featherweight.export.lowering import lower
from featherweight.export.source import Source
from featherweight.json_files import parse_json
from featherweight.report.page import page, read_story, sections
from featherweight.training.runs.checkpoint import load_state, save_state
from featherweight.training.runs.tensors import pack_tensors
from featherweight.training.runs.trained import load_trained

from .harness import PACKAGES, ROOT, TINY, warmed

Case = tuple[str, Callable[[Path], Any]]
WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1e308, 10**400, float("nan"), float("inf"), "x", "\ud800", "a" * 100_000, [], {}, ["x"], [[]],
    [0] * 100_000, {"a": {"b": {}}},
)  # fmt: skip
DEEP = "[" * 900 + "]" * 900


def read_picture(path: Path) -> None:
    """As `predict` and folders of images do."""
    try:
        pictures.read(path)
    except pictures.PictureError as problem:
        raise FileError(str(problem)) from problem


def _committed() -> dict[str, Any]:
    values: dict[str, Any] = json.loads((ROOT / "results" / "f3" / "seed0.json").read_text())
    return values


def _paths(values: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Of every field of a record, those in rows but the first left out."""
    if at:
        yield at
    if isinstance(values, dict):
        for name, inner in values.items():
            yield from _paths(inner, (*at, name))
    elif isinstance(values, list) and values:
        yield from _paths(values[0], (*at, 0))


def _changed(path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    whole = _committed()
    inside: Any = whole
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return whole


def _read_run(folder: Path, text: str, *, shown: bool = False) -> None:
    """A run's record as `report` has it; the page itself where asked."""
    (folder / "record.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    read_record(folder)
    if shown:
        story = read_story([folder])
        page(story, sections(story))


def records() -> Iterator[Case]:
    """Every field with every wrong value; and those that were seen to do harm, as a whole page."""
    for path in _paths(_committed()):
        for value in WRONG:
            text = json.dumps(_changed(path, value))
            yield f"{path} {value!r:.30}", lambda folder, text=text: _read_run(folder, text)
    named: dict[tuple[Any, ...], tuple[Any, ...]] = {
        ("data", "shape"): ([1, 10**6, 10**6], [0, 28, 28], [5_000_000, 28, 28], [1, 28, 0]),
        ("data", "std"): (["x"],),
        ("data", "classes"): (1e308, float("nan"), -1, [1, 2], ["\ud800"], ["a"] * 10**6),
    }
    for path, values in named.items():
        for value in values:
            text = json.dumps(_changed(path, value))
            yield f"page: {path} {value!r:.30}", lambda folder, text=text: _read_run(folder, text, shown=True)
    for called, text in {"deep": DEEP, "deep field": json.dumps(_committed())[:-1] + f', "more": {DEEP}}}',
                         "nothing": "", "a number": "7", "16 MB": " " * (1 << 24) + "{}"}.items():  # fmt: skip
        yield called, lambda folder, text=text: _read_run(folder, text)


def states() -> Iterator[Case]:
    """States and weights whose digest is right and whose words are not."""
    counts = {"epoch": 1, "step": 0, "seen": 0, "lr": 0.1, "epoch_seconds": 0.0, "train_seconds": 1.0}
    row = {"epoch": 1, "lr": 0.1, "train_loss": 1.0, "train_accuracy": 50.0, "test_loss": 1.0, "test_accuracy": 50.0,
           "seconds": 1.0}  # fmt: skip
    whole = {"identity": {}, "counts": counts, "rows": [row]}
    texts = [json.dumps(whole | {name: value}) for name in whole for value in WRONG]
    texts += [json.dumps(whole | {"counts": counts | {name: value}}) for name in counts for value in WRONG]
    texts += [json.dumps(whole | {"rows": [row | {name: value}]}) for name in row for value in WRONG]
    for text in [*texts, DEEP, f'{{"identity": {DEEP}, "counts": 1, "rows": []}}', "", "NaN"]:
        yield f"state {text[:40]}", lambda folder, text=text: _load_state(folder, text)
        yield f"weights {text[:40]}", lambda folder, text=text: _load_weights(folder, text)


def _fresh() -> Any:
    from featherweight.training.state import initial_state

    experiment, data = warmed()
    return initial_state(experiment.build(), experiment.recipe, torch.device("cpu"), len(data.train))


def _load_state(folder: Path, text: str) -> None:
    """The state before it has to be used, so that nothing is refused; that is what is told."""
    path, fresh = folder / "state.safetensors", _fresh()
    save_state(fresh, {}, path)
    path.rename(folder / "state.before.safetensors")
    path.write_bytes(pack_tensors({"a": torch.zeros(1)}, {"run": text}))
    if "the previous state" not in load_state(fresh, {}, path):
        raise AssertionError("a state was read that no run has written")


def _load_weights(folder: Path, text: str) -> None:
    (folder / "record.json").write_text(json.dumps(_committed()))
    (folder / "weights.safetensors").write_bytes(pack_tensors({"a": torch.zeros(1)}, {"featherweight": text}))
    load_trained(folder)


def _command(folder: Path, *words: str, seconds: float = 200) -> None:
    """The real command in that folder; a traceback is an error, and so is any that is not a sentence."""
    surroundings = os.environ | {"PYTHONPATH": str(PACKAGES), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-m", "featherweight", *words], cwd=folder, capture_output=True, text=True,
                          check=False, timeout=seconds, env=surroundings)  # fmt: skip
    if "Traceback" in done.stderr:
        raise AssertionError(done.stderr[-300:])
    if done.returncode:
        raise FeatherweightError(done.stderr)


def foreign_runs() -> Iterator[Case]:
    """A run whose record names a Python file that would write a file `executed`."""

    def prepared(folder: Path) -> None:
        path = folder / "evil.py"
        path.write_text(f"open({str(folder / 'executed')!r}, 'w').write('ran')\n{TINY.read_text()}")
        (folder / "run").mkdir()
        values = _changed(("experiment",), str(path)) | {"finished": True}
        (folder / "run" / "record.json").write_text(json.dumps(values))
        about = {name: values["data"][name] for name in ("shape", "classes", "mean", "std")}
        about |= {"experiment": str(path), "seed": values["seed"]}
        content = pack_tensors({"a": torch.zeros(1)}, {"featherweight": json.dumps(about)})
        (folder / "run" / "weights.safetensors").write_bytes(content)
        Image.new("RGB", (28, 28)).save(folder / "p.png")

    verbs = (
        "report run", "predict p.png --run run", "export run --to c", "export run --to onnx", "export run --to page",
        "draw --run run --no-open", "evaluate run --data digits", "compare run run", "train --resume run",
    )  # fmt: skip
    for words in verbs:

        def attack(folder: Path, words: str = words) -> None:
            prepared(folder)
            _command(folder, *words.split())

        yield words, attack


def current_folder() -> Iterator[Case]:
    """Files there with names of modules that Python and this package import."""
    for words in (("train", "own.py", "--seeds", "2", "--epochs", "1", "--data", "digits"), ("list",), ("show", "f3")):

        def attack(folder: Path, words: tuple[str, ...] = words) -> None:
            for name in ("multiprocessing", "json", "random", "pickle", "numpy", "torch", "rich", "typer", "PIL"):
                (folder / f"{name}.py").write_text(f"open({str(folder / 'executed')!r}, 'w')\nraise SystemExit\n")
            shutil.copy(TINY, folder / "own.py")
            with contextlib.suppress(FeatherweightError):  # a verdict that is not passed has status 1
                _command(folder, *words)

        yield " ".join(words), attack


def odd_files() -> Iterator[Case]:
    """What is no file where each reader expects one."""

    def pipe(path: Path) -> None:
        os.mkfifo(path)

    def loop(path: Path) -> None:
        path.symlink_to(path)

    def local_socket(path: Path) -> None:
        socket.socket(socket.AF_UNIX).bind(str(path))

    kinds: dict[str, Callable[[Path], None]] = {
        "pipe": pipe, "folder": Path.mkdir, "endless device": lambda path: path.symlink_to("/dev/zero"), "loop": loop,
        "socket": local_socket, "nowhere": lambda path: path.symlink_to("/nowhere/at/all"), "empty": Path.touch,
    }  # fmt: skip

    def journal(path: Path) -> None:
        from featherweight.search.storage import storage_of

        storage_of(str(path))

    def state(path: Path) -> None:
        fresh = _fresh()
        load_state(fresh, {}, path)

    def saved_over(path: Path) -> None:
        save_state(_fresh(), {}, path)

    readers: dict[str, Callable[[Path], Any]] = {
        "picture.png": read_picture, "record.json": read_record, "state.safetensors": state,
        "images-idx3-ubyte": lambda path: read_idx(path, shape=(None, 28, 28)), "study.journal": journal,
        "saved.safetensors": saved_over,
        "weights.safetensors": lambda path: (_file(path.with_name("record.json")), load_trained(path.parent)),
    }  # fmt: skip
    for kind, make in kinds.items():
        for name, reader in readers.items():

            def attack(folder: Path, make: Any = make, name: str = name, reader: Any = reader) -> None:
                make(folder / name)
                reader(folder / name)

            yield f"{kind} for {name}", attack


def _file(path: Path) -> Path:
    path.write_text(json.dumps(_committed()))
    return path


def studies() -> Iterator[Case]:
    """Journals whose proposals are not what a space of this package proposes."""
    from featherweight.search.space import Proposal, build

    recipe = _committed()["recipe"]
    huge, evil = 1 << 40, "__import__('os').system('true')"
    networks: list[Any] = [
        [["nn.Linear", [huge, huge], {}]], [["nn.Conv2d", [1, huge, 3], {}]], [["nn.Transformer", [], {}]],
        [["nn.Linear", [evil, 3], {}]], [["nn.Linear", [3], {evil: 3}]], [[evil, [], {}]], [["nn.Module", [], {}]],
        [["nn.Sequential", [["nn.ReLU", [], {}]] * 3, {}]], [["__class__", [], {}]], [["nn.Embedding", [huge, 9], {}]],
        "nn.ReLU", 7, None, [[]], [["nn.ReLU"]], [["nn.MaxPool2d", [float("inf")], {}]], [["nn.MaxPool2d", [-1], {}]],
    ]  # fmt: skip
    for network in networks:

        def attack(folder: Path, network: Any = network) -> None:
            # As `entries` reads them from a study, and then as a network is built of them.
            try:
                proposal = Proposal.from_json({"network": network, "recipe": recipe})
            except (TypeError, ValueError, KeyError) as problem:
                raise FileError(str(problem)) from problem
            try:
                build(proposal.network)
            except (TypeError, ValueError, RuntimeError) as problem:  # as `cost` tells it
                raise FileError(str(problem)) from problem

        yield f"{network!r:.60}", attack
    for text in (DEEP, '{"network": NaN}', '{"a": 1, "a": 2}', "[1e999]"):
        yield text[:30], lambda folder, text=text: _strict(text)


def _strict(text: str) -> None:
    try:
        parse_json(text)
    except ValueError as problem:
        raise FileError(str(problem)) from problem


GOOD = b"\x1f\x8b" + bytes(100)


def mirrors() -> Iterator[Case]:
    """Answers of a server; each has to end, whatever it sends, by itself or by the limits on silence and pace."""
    head = b"HTTP/1.1 200 OK\r\n"
    answers: dict[str, list[bytes | float]] = {
        "a length of 5,000 digits": [head + b"Content-Length: " + b"9" * 5000 + b"\r\n\r\n", GOOD],
        "a negative length": [head + b"Content-Length: -5\r\n\r\n", GOOD],
        "a length that is a word": [head + b"Content-Length: many\r\n\r\n", GOOD],
        "longer than announced": [head + b"Content-Length: 10\r\n\r\n", GOOD],
        "a byte first": [head + b"\r\n", b"\x1f", 0.2, b"\x8b" + bytes(99)],
        "a byte at a time": [head + b"\r\n", *[piece for _ in range(200) for piece in (b"\x1f", 0.05)]],
        "silence": [head + b"Content-Length: 100\r\n\r\n", b"\x1f\x8b", 99.0],
        "headers without end": [head, *[b"X-A: " + b"b" * 60_000 + b"\r\n"] * 200],
        "a thousand redirects": [b"HTTP/1.1 302 Found\r\nLocation: /again\r\nContent-Length: 0\r\n\r\n"],
        "a redirect to a file": [b"HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"],
        "a web page": [head + b"\r\n<html></html>"],
        "more than the file can have": [head + b"\r\n", b"\x1f\x8b" + bytes(1 << 20)],
        "chunks of nonsense": [head + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\nno"],
        "no HTTP at all": [b"\x00\x01\x02\x03"],
        "an escape in a header": [b"HTTP/1.1 500 \x1b[2J\r\n\r\n"],
        "nothing": [b""],
    }
    for name, pieces in answers.items():
        yield name, lambda folder, pieces=pieces: _fetched(folder, pieces)


def _fetched(folder: Path, pieces: list[bytes | float], silence_s: float = 1.0) -> None:
    """Download one file from a server that sends these pieces, with pauses of so many seconds between them."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with contextlib.suppress(OSError), connection:
                connection.recv(65536)
                for piece in pieces:
                    if isinstance(piece, float):
                        time.sleep(piece)
                    else:
                        connection.sendall(piece)

    threading.Thread(target=serve, daemon=True).start()
    download.PLAIN_HTTP = frozenset({"127.0.0.1"})
    download.SILENCE_S, download.PACE_S = silence_s, 2.0
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        os.environ.pop(name, None)
    address = f"http://127.0.0.1:{server.getsockname()[1]}/file.gz"

    def check(path: Path) -> None:
        raise DataError(f"{path.name} is not the file it should be.")

    download._fetch_one("set", [address], folder / "file.gz", 10_000, check, None)


def networks() -> Iterator[Case]:
    """Layers whose numbers a field of C would cut off, and norms with impossible variances."""

    def exported(network: nn.Module, shape: tuple[int, int, int]) -> None:
        torch.manual_seed(0)
        outputs = network.eval()(torch.zeros(1, *shape)).shape[1]
        about = Source(name="n", network=network, shape=shape, classes=tuple(map(str, range(outputs))), seed=0,
                       mean=(0.1,) * shape[0], std=(0.3,) * shape[0], experiment="n", parameters=1, accuracy=1.0,
                       tested="")  # fmt: skip
        whole = quantise(
            lower(network, shape), torch.randint(0, 256, (2, *shape), dtype=torch.uint8), about.mean, about.std
        )
        c_source.source_files(about, whole, "")

    def ended(*layers: nn.Module) -> nn.Module:
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())

    wide: dict[str, tuple[Callable[[], nn.Module], tuple[int, int, int]]] = {
        "a kernel of 256 x 1": (lambda: ended(nn.Conv2d(1, 2, (256, 1))), (1, 300, 3)),
        "a kernel of 1 x 300": (lambda: ended(nn.Conv2d(1, 2, (1, 300))), (1, 3, 310)),
        "a pool of 256": (lambda: ended(nn.MaxPool2d((256, 1))), (1, 256, 3)),
        "a stride of 256": (lambda: ended(nn.Conv2d(1, 2, 1, stride=(256, 1))), (1, 600, 3)),
        "a padding of 256": (lambda: ended(nn.Conv2d(1, 2, 3, padding=(256, 0))), (1, 9, 9)),
        "a map of 65,536 rows": (lambda: ended(nn.Conv2d(1, 2, 1)), (1, 65536, 1)),
        "a map of 70,000 columns": (lambda: ended(nn.ReLU()), (1, 1, 70_000)),
        "65,536 channels": (lambda: ended(nn.Conv2d(1, 65_536, 1)), (1, 2, 2)),
        "a mean of 300 x 300": (lambda: ended(), (1, 300, 300)),
    }
    for name, (make, shape) in wide.items():
        yield name, lambda folder, make=make, shape=shape: exported(make(), shape)
    for name, value in {"negative": -1.0, "no number": float("nan"), "infinite": float("inf"), "zero": -1e-5}.items():

        def normed(folder: Path, value: float = value) -> None:
            norm = nn.BatchNorm2d(2)
            assert norm.running_var is not None
            norm.running_var.fill_(value)
            exported(ended(nn.Conv2d(1, 2, 3), norm), (1, 9, 9))

        yield f"a variance that is {name}", normed
