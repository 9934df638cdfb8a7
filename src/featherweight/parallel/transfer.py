"""What travels between the driver of a cluster and its nodes: data as arrays, files as bytes, each with its digest."""

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch

from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.errors import DataError, FileError
from featherweight.io import flush_names, write_bytes
from featherweight.json_files import read_regular
from featherweight.training.runs.tensors import LARGEST


@dataclass(frozen=True, kw_only=True)
class Packed:
    """A data set as plain values and arrays, which all processes of a node read from the same memory."""

    about: dict[str, Any]
    arrays: dict[str, np.ndarray[Any, Any]]
    digest: str


def pack(data: Data) -> Packed:
    """The data as they travel."""
    about = {field.name: getattr(data, field.name) for field in fields(Data) if field.name not in ("train", "test")}
    about["digests"] = dict(data.digests)
    halves = {"train": data.train, "test": data.test}
    arrays = {
        f"{name}.{part}": getattr(half, part).contiguous().cpu().numpy()
        for name, half in halves.items()
        for part in ("images", "labels")
    }
    return Packed(about=about, arrays=arrays, digest=_digest(arrays))


_checked: set[str] = set()


def unpack(packed: Packed) -> Data:
    """The data again, in memory that may only be read; DataError if they are not what was sent.

    Their digest is computed once per process.
    """
    if packed.digest not in _checked:
        if (found := _digest(packed.arrays)) != packed.digest:
            raise DataError(
                f"{packed.about['name']} does not match its checksum (digest {found[:12]}, not {packed.digest[:12]})."
            )
        _checked.add(packed.digest)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that nothing may be written there is known
        tensors = {name: torch.from_numpy(values) for name, values in packed.arrays.items()}
    train, test = (
        Split(images=tensors[f"{half}.images"], labels=tensors[f"{half}.labels"]) for half in ("train", "test")
    )
    return Data(train=train, test=test, **packed.about)


def _digest(arrays: Mapping[str, np.ndarray[Any, Any]]) -> str:
    state = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        state.update(f"{name} {values.dtype} {values.shape}\n".encode())
        state.update(np.ascontiguousarray(values).data.cast("B"))
    return state.hexdigest()


@dataclass(frozen=True, kw_only=True)
class Files:
    """Files of a folder by name, and their digests."""

    contents: dict[str, bytes]
    digests: dict[str, str]
    final: bool = False
    """Whether these are all that a finished run leaves."""


def files_of(folder: Path, names: Iterable[str], *, final: bool = False) -> Files:
    """Those of these files that the folder has."""
    contents = {name: read_regular(folder / name, LARGEST) for name in names if (folder / name).is_file()}
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    return Files(contents=contents, digests=digests, final=final)


def put(files: Files, folder: Path, keep: Mapping[str, Path] | None = None) -> None:
    """Write the files into the folder, each whole or not at all; FileError, and nothing is written, if one is damaged.

    An old file that `keep` names is moved there.
    """
    for name, content in files.contents.items():
        if Path(name).name != name or hashlib.sha256(content).hexdigest() != files.digests[name]:
            raise FileError(f"{name} did not arrive in {folder} as it was sent.")
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.contents.items():
        write_bytes(folder / name, content, keep=(keep or {}).get(name))
    flush_names(folder)
