"""IDX files: what is read is what was written, and nothing that a file claims is believed."""

import gzip
import hashlib
import os
import random
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
import torch

from data_files import idx_bytes
from featherweight.data.formats import BYTES, INTEGERS, read_idx
from featherweight.errors import DataError
from featherweight.escape import printable

IMAGES = (torch.arange(5 * 3 * 7) * 37 % 256).to(torch.uint8).reshape(5, 3, 7)


def refusal(path: Path, **expected: object) -> str:
    with pytest.raises(DataError) as caught:
        read_idx(path, **{"shape": (5, 3, 7), **expected})  # type: ignore[arg-type]
    return str(caught.value)


def write(tmp_path: Path, content: bytes, name: str = "images") -> Path:
    path = tmp_path / name
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("shape", [(5, 3, 7), (None, 3, 7), (None, None, None)])
def test_what_was_written_is_read(tmp_path: Path, packed: bool, shape: tuple[int | None, ...]) -> None:
    content = idx_bytes(IMAGES)
    got = read_idx(write(tmp_path, gzip.compress(content) if packed else content), shape=shape)
    assert got.values.dtype == torch.uint8 and got.values.tolist() == IMAGES.tolist()
    assert got.digest == hashlib.sha256(content).hexdigest()


def test_whole_numbers_are_big_endian_and_signed(tmp_path: Path) -> None:
    content = bytes([0, 0, 12, 2, 0, 0, 0, 2, 0, 0, 0, 3]) + struct.pack(">6i", 1, -2, 3, 70_000, 5, -(2**31))
    got = read_idx(write(tmp_path, content), shape=(2, 3), kind=INTEGERS)
    assert got.values.dtype == torch.int32
    assert got.values.tolist() == [[1, -2, 3], [70_000, 5, -(2**31)]]


def test_the_values_can_be_written_to(tmp_path: Path) -> None:
    values = read_idx(write(tmp_path, idx_bytes(IMAGES)), shape=(5, 3, 7)).values
    values[0, 0, 0] = 9
    assert values[0, 0, 0] == 9


def test_another_magic_number_is_refused(tmp_path: Path) -> None:
    said = refusal(write(tmp_path, b"\x7fELF" + bytes(200)))
    assert said.endswith("starts with 7f 45 4c 46, and 00 00 08 03 is expected.")
    assert "00 00 0c 03 is expected" in refusal(write(tmp_path, idx_bytes(IMAGES)), kind=INTEGERS)
    assert "00 00 08 01 is expected" in refusal(write(tmp_path, idx_bytes(IMAGES)), kind=BYTES, shape=(105,))


def test_a_web_page_is_called_one(tmp_path: Path) -> None:
    page = b"<!DOCTYPE html><html>404</html>" * 9
    assert refusal(write(tmp_path, page)).endswith("It looks like a web page.")
    assert refusal(write(tmp_path, gzip.compress(page))).endswith("It looks like a web page.")


def test_another_shape_is_refused(tmp_path: Path) -> None:
    said = refusal(write(tmp_path, idx_bytes(IMAGES)), shape=(None, 7, 3))
    assert said == f"{tmp_path / 'images'} declares 5 x 3 x 7 values, and any x 7 x 3 are expected."


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("length", [0, 3, 4, 9, 15, 16, 17, 120])
def test_a_truncated_file_is_called_truncated(tmp_path: Path, packed: bool, length: int) -> None:
    content = idx_bytes(IMAGES)[:length]
    assert " is truncated: " in refusal(write(tmp_path, gzip.compress(content) if packed else content))


def test_a_gzip_file_that_was_cut_is_called_truncated_at_every_length(tmp_path: Path) -> None:
    content = gzip.compress(idx_bytes(IMAGES))
    for length in range(2, len(content)):
        assert " is truncated: " in refusal(write(tmp_path, content[:length])), length


@pytest.mark.parametrize("packed", [False, True])
def test_bytes_after_the_last_value_are_refused(tmp_path: Path, packed: bool) -> None:
    content = idx_bytes(IMAGES) + b"\0"
    said = refusal(write(tmp_path, gzip.compress(content) if packed else content))
    assert said.endswith("is longer than its header says: bytes follow the last value.")


def test_bytes_after_the_gzip_data_are_refused(tmp_path: Path) -> None:
    for tail in (b"\0", b"x" * 3_000_000, gzip.compress(b"more")):
        said = refusal(write(tmp_path, gzip.compress(idx_bytes(IMAGES)) + tail))
        assert said.endswith("is longer than its header says: bytes follow the last value.")


def test_bytes_after_gzip_data_that_end_with_what_was_read_are_refused(tmp_path: Path) -> None:
    packed = gzip.compress(idx_bytes(torch.zeros(1, 1, 29, dtype=torch.uint8)), compresslevel=0)
    assert len(packed) == 4 + 64  # all that is read for the four bytes of the magic number
    assert read_idx(write(tmp_path, packed), shape=(1, 1, 29)).values.sum() == 0
    assert "is longer than its header says" in refusal(write(tmp_path, packed + b"x"), shape=(1, 1, 29))


def test_a_wrong_gzip_checksum_is_refused(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(idx_bytes(IMAGES)))
    content[-8] ^= 1
    said = refusal(write(tmp_path, bytes(content)))
    assert "is damaged: its gzip data cannot be unpacked (" in said and "incorrect data check" in said


def test_a_wrong_digest_names_both(tmp_path: Path) -> None:
    content = idx_bytes(IMAGES)
    right = hashlib.sha256(content).hexdigest()
    read_idx(write(tmp_path, content), shape=(5, 3, 7), sha256=right)
    said = refusal(write(tmp_path, content), sha256="0" * 64)
    assert f"should be {'0' * 64} and is {right}. Delete the file and fetch it again." in said


def test_a_header_that_lies_costs_no_memory(tmp_path: Path) -> None:
    huge = b"\0\0\x08\x03" + b"\xff" * 12
    for content, said in (
        (huge, f"declares {0xFFFFFFFF**3:,} bytes of values; at most 1,073,741,824 are read."),
        (b"\0\0\x08\x03" + struct.pack(">3I", 900, 1000, 1000), "of its length holds at most 16."),
        (gzip.compress(b"\0\0\x08\x03" + struct.pack(">3I", 900, 1000, 1000)), "is truncated: it declares 900,000,000"),
        (b"\0\0\x08\x03" + struct.pack(">3I", 0, 0, 0) + b"x", "is longer than its header says"),
    ):
        path = write(tmp_path, content)
        tracemalloc.start()
        assert said in refusal(path, shape=(None, None, None))
        assert tracemalloc.get_traced_memory()[1] < 200_000
        tracemalloc.stop()


def test_a_gzip_bomb_stops_at_the_declared_size(tmp_path: Path) -> None:
    packer = zlib.compressobj(9, wbits=31)
    zeros = bytes(1_000_000)
    content = packer.compress(idx_bytes(IMAGES)) + b"".join(packer.compress(zeros) for _ in range(300)) + packer.flush()
    assert len(content) < 400_000
    path = write(tmp_path, content)
    tracemalloc.start()
    assert "is longer than its header says" in refusal(path)
    assert tracemalloc.get_traced_memory()[1] < 2_000_000
    tracemalloc.stop()


def test_what_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "pipe"):
        assert refusal(path) == f"{path} is missing, or is not a file; an IDX file is expected there."


def test_a_name_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    said = refusal(write(tmp_path, b"<", name="a\x1b[2J\u202eb\nc"))
    assert r"a\x1b[2J\u202eb\nc is truncated" in said and said.isprintable()
    assert printable(os.fsdecode(b"\xff")) == r"\udcff"


def test_mutated_files_give_the_same_values_or_a_sentence(tmp_path: Path) -> None:
    draws = random.Random(11)
    plain = idx_bytes(IMAGES)
    refused = 0
    for number in range(600):
        content = bytearray(gzip.compress(plain) if number % 2 else plain)
        for _ in range(draws.randint(1, 3)):
            content[draws.randrange(len(content))] = draws.randrange(256)
        try:
            values = read_idx(write(tmp_path, bytes(content)), shape=(5, 3, 7)).values
        except DataError as error:
            assert str(error).startswith(str(tmp_path)) and str(error).endswith(".")
            refused += 1
        else:
            assert values.shape == (5, 3, 7)
    assert 200 < refused < 600
