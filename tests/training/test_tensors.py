"""Files of tensors: whole ones read as they were, all others refused with a reason."""

import hashlib
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from featherweight.errors import UsageError
from featherweight.training.runs.tensors import LARGEST_HEADER, is_intact, open_packed, pack_tensors, read_tensors

TENSORS = {
    "bias": torch.tensor([1.5, -2.0, 0.25]),
    "weight": torch.arange(10.0).reshape(2, 5),
    "seen": torch.tensor(7),
    "none": torch.zeros(0, 3),
    "half": torch.tensor([0.5, 2.0], dtype=torch.float16),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "some.safetensors"
    path.write_bytes(pack_tensors(TENSORS, {"note": "ours"}))
    return path


def read(path: Path, expected: dict[str, Tensor] = TENSORS) -> dict[str, Tensor]:
    return read_tensors(open_packed(path, "note"), expected)


def test_what_was_packed_is_read_bit_for_bit(path: Path) -> None:
    found = read(path)
    assert found.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert torch.equal(found[name], tensor) and found[name].dtype == tensor.dtype, name
    assert open_packed(path, "note").about["note"] == "ours"
    assert pack_tensors(dict(reversed(TENSORS.items())), {"note": "ours"}) == path.read_bytes()


def test_the_reference_reader_of_the_format_reads_it_too(path: Path) -> None:
    with safe_open(path, framework="pt") as file:
        assert file.metadata()["note"] == "ours"
        assert all(torch.equal(file.get_tensor(name), tensor) for name, tensor in TENSORS.items())


def test_the_digest_is_that_of_the_file_with_zeros_in_its_place(path: Path) -> None:
    content = path.read_bytes()
    stated = re.findall(rb'"sha256":"([0-9a-f]{64})"', content)
    assert len(stated) == 1
    assert hashlib.sha256(content.replace(stated[0], b"0" * 64)).hexdigest() == stated[0].decode()


def test_every_flipped_bit_and_every_shorter_length_is_refused(path: Path) -> None:
    content = path.read_bytes()
    assert 400 < len(content) < 1000
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ (1 << at % 8)]) + content[at + 1 :])
        with pytest.raises(ValueError):
            open_packed(path, "note")
        assert not is_intact(path)
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError):
            open_packed(path, "note")
    path.write_bytes(content + b"\0")
    with pytest.raises(ValueError, match="do not match its digest"):
        open_packed(path, "note")


# -------------------------------------------------------------------------- files that somebody made up, digest and all


def made_up(header: Any, values: bytes = b"\0" * 24, metadata: Any = None) -> bytes:
    """A file with this header whose digest is right."""
    about = {"note": "", "sha256": "0" * 64} if metadata is None else metadata
    text = header if isinstance(header, str) else json.dumps({"__metadata__": about, **header}, separators=(",", ":"))
    content = len(text.encode()).to_bytes(8, "little") + text.encode() + values
    return content.replace(b"0" * 64, hashlib.sha256(content).hexdigest().encode())


def tensor(**changed: Any) -> dict[str, Any]:
    return {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]} | changed


def test_a_made_up_file_in_order_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(made_up({"a": tensor()}))
    assert torch.equal(read(tmp_path / "x", {"a": torch.ones(2, 3)})["a"], torch.zeros(2, 3))


HALVES = {"a": tensor(shape=[3], data_offsets=[0, 12]), "b": tensor(shape=[3], data_offsets=[12, 24])}
MANY = {f"t{n}": tensor(shape=[0], data_offsets=[0, 0]) for n in range(5000)}


@pytest.mark.parametrize(
    "header",
    [
        {"a": tensor(dtype="F4")},
        {"a": tensor(dtype=["F32"])},
        {"a": tensor(dtype="U64", shape=[3])},
        {"a": tensor(shape=[2, -3])},
        {"a": tensor(shape=[2, True])},
        {"a": tensor(shape=[1 << 40])},
        {"a": tensor(shape=[1 << 20, 1 << 20])},
        {"a": tensor(shape=[1 << 63, 2])},
        {"a": tensor(shape=[1] * 9)},
        {"a": tensor(shape=[6])},
        {"a": tensor(shape="23")},
        {"a": tensor(shape=[1] * 100_000 + [6])},
        {"a": tensor(data_offsets=[24, 0])},
        {"a": tensor(data_offsets=[0, 12, 24])},
        {"a": tensor(data_offsets=[0, 1 << 65])},
        {"a": [0, 24]},
        {"a\x1b[2J": tensor(dtype="F5")},
        HALVES | {"b": tensor(shape=[3], data_offsets=[8, 20])},
        HALVES | {"b": tensor(shape=[2], data_offsets=[16, 24])},
        {"a": tensor(shape=[3], data_offsets=[0, 12])},
        {"a": tensor(shape=[9], data_offsets=[0, 36])},
        MANY,
    ],
)
def test_headers_that_lie_are_refused_before_any_value_is_read(
    header: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").write_bytes(made_up(header))
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("the values were read"))
    with pytest.raises(ValueError) as refused:
        read(tmp_path / "x", {"a": torch.ones(2, 3)})
    assert str(refused.value).isprintable() and len(str(refused.value)) < 400


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "a header of 0 bytes is declared in a file of 0"),
        (b"<html>oops</html>", "a header of [0-9,]+ bytes is declared in a file of 17"),
        (made_up('{"__metadata__":{"note":"","sha256":"' + "0" * 64 + '"},"a":' + "[" * 100_000), "invalid JSON"),
        (made_up('["sha256","sha256":"' + "0" * 64 + '"]'), "not a file of tensors"),
        (made_up('["sha256","note"]'), "not a file of tensors"),
        (made_up('{"__metadata__":{"note":"","sha256":"' + "0" * 64 + '"},"a":1,"a":1}'), "invalid JSON"),
        (made_up({}, metadata=[]), "not a file of tensors"),
        (made_up({}, metadata={"note": 1}), "not a file of tensors"),
        (made_up({}, b"", {"note": "", "more": ""}), "it has no digest"),
        (made_up({}, b"", {"sha256": "0" * 64}), "its metadata has no 'note'"),
    ],
)
def test_what_is_no_such_file_is_refused(content: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match=sentence):
        open_packed(tmp_path / "x", "note")


def test_a_file_that_changes_between_its_check_and_its_reading_is_refused(path: Path) -> None:
    opened, content = open_packed(path, "note"), path.read_bytes()
    for other in (content[:-1], pack_tensors(TENSORS | {"bias": torch.ones(4)}, {"note": "ours"})):
        path.write_bytes(other)
        with pytest.raises(ValueError):
            read_tensors(opened, TENSORS)


def test_a_hundred_thousand_entries_and_a_gigabyte_cost_nothing(tmp_path: Path) -> None:
    many = {f"t{n}": tensor(shape=[0], data_offsets=[0, 0]) for n in range(100_000)}
    (tmp_path / "x").write_bytes(made_up(many))
    with pytest.raises(ValueError, match="a header of [0-9,]+ bytes is declared"):
        open_packed(tmp_path / "x", "note")
    with (tmp_path / "x").open("wb") as file:
        file.truncate((1 << 30) + 1)  # a hole: it takes no room on the disk
    with pytest.raises(ValueError, match="has 1,073,741,825 bytes, where at most 1,073,741,824 are allowed"):
        open_packed(tmp_path / "x", "note")


def test_a_file_of_before_there_were_digests_is_read(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(made_up({"a": tensor()}, metadata={"note": "old"}))
    assert read(tmp_path / "x", {"a": torch.ones(2, 3)})["a"].sum() == 0


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for name, reason in (("pipe", "it is not a file"), (".", "it is not a file"), ("nowhere", "it is not there")):
        with pytest.raises(ValueError, match=reason):
            open_packed(tmp_path / name, "note")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda t: t | {"more": torch.ones(1)}, "it also holds 'more'"),
        (lambda t: {name: t[name] for name in t if name != "bias"}, "it lacks 'bias'"),
        (lambda t: {("x" + n if n == "bias" else n): t[n] for n in t}, "it lacks 'bias' and also holds 'xbias'"),
        (lambda t: t | {"weight": torch.ones(5, 2)}, r"weight is F32 \[5, 2\], where F32 \[2, 5\] is expected"),
        (lambda t: t | {"weight": torch.ones(2, 5).double()}, "weight is F64 .* where F32"),
        (lambda t: t | {"bias": torch.tensor([0, float("nan"), 0])}, "bias holds values that are infinite or NaN"),
        (lambda t: t | {"half": torch.tensor([0, float("inf")]).half()}, "half holds values that are infinite or NaN"),
    ],
)
def test_other_tensors_than_expected_are_refused_by_name(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], sentence: str, path: Path
) -> None:
    path.write_bytes(pack_tensors(change(TENSORS), {"note": "ours"}))
    with pytest.raises(ValueError, match=sentence):
        read(path)


def test_more_than_would_be_read_is_not_written() -> None:
    with pytest.raises(UsageError, match=r"1 tensors and a header of 2,[0-9,]+ bytes are more than"):
        pack_tensors({"a": torch.ones(1)}, {"note": "x" * LARGEST_HEADER})
