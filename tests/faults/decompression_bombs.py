"""Picture files that are small to send and large to read, built by hand: each is refused or read within the bounds."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

MB = 1 << 20


def _chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def _png(width: int, height: int, *parts: bytes, depth: int = 1, kind: int = 0, rows: bytes | None = None) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    line = 1 + -(-width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[kind] // 8)
    packed = _zeros(line * height) if rows is None else rows
    return (b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + b"".join(parts) + _chunk(b"IDAT", packed)
            + _chunk(b"IEND", b""))  # fmt: skip


def _zeros(count: int) -> bytes:
    """So many zeros, deflated, without having them all at once."""
    packer = zlib.compressobj(9)
    packed = [packer.compress(bytes(min(MB, count - at))) for at in range(0, count, MB)]
    return b"".join([*packed, packer.flush()])


def _exif(entries: int, size: int, length: int) -> bytes:
    """Exif whose tags all share the same bytes."""
    head = b"II*\0\x08\0\0\0" + struct.pack("<H", min(entries, 65535))
    tags = b"".join(struct.pack("<HHII", number, 7, size, 8) for number in range(min(entries, 65535)))
    return (head + tags + bytes(4)).ljust(length, b"\0")[:length]


def _tiff(*tags: tuple[int, int, int, int], tail: bytes = b"", order: str = "<") -> bytes:
    """A TIFF of these tags (number, type, count, value or place), what they point to following after 4,096 bytes."""
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    table = struct.pack(f"{order}H", len(tags)) + b"".join(struct.pack(f"{order}HHII", *tag) for tag in sorted(tags))
    return (head + table + bytes(4)).ljust(4096, b"\0") + tail


def _grey(side: int, *tags: tuple[int, int, int, int], tail: bytes = b"", coding: int = 1) -> bytes:
    usual = {256: (256, 4, 1, side), 257: (257, 4, 1, side), 258: (258, 3, 1, 8), 259: (259, 3, 1, coding),
             262: (262, 3, 1, 1), 273: (273, 4, 1, 4096), 277: (277, 3, 1, 1), 278: (278, 4, 1, side),
             279: (279, 4, 1, side * side)}  # fmt: skip
    return _tiff(*(usual | {tag[0]: tag for tag in tags}).values(), tail=tail or bytes(side * side))


def _saved(kind: str, size: tuple[int, int] = (23, 17), mode: str = "RGB", **how: object) -> bytes:
    into = io.BytesIO()
    Image.new(mode, size, 3).save(into, kind, **how)  # type: ignore[arg-type]
    return into.getvalue()


def _jpeg_with(*segments: bytes, **how: object) -> bytes:
    whole = _saved("JPEG", **how)  # type: ignore[arg-type]
    return whole[:2] + b"".join(segments) + whole[2:]


def _segment(kind: int, body: bytes) -> bytes:
    return bytes((0xFF, kind)) + (len(body) + 2).to_bytes(2, "big") + body


def _scans(count: int) -> bytes:
    whole = _saved("JPEG", (4000, 3000), "L", progressive=True)
    at = whole.index(b"\xff\xda")
    return whole[:at] + whole[at:-2] * count + whole[-2:]


def _gif(*parts: bytes, size: tuple[int, int] = (9, 9)) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", *size, 0x80, 0, 0) + bytes(6)
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 9, 9, 0) + b"\x02"
    return head + b"".join(parts) + frame + b"\x02\x4c\x01\x00;"


def _bmp(width: int, height: int, *, bits: int = 8, coding: int = 0, body: bytes = b"", colours: int = 0) -> bytes:
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, coding, len(body), 0, 0, colours, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 1024 + len(body), 0, 0, 54 + 1024) + head + bytes(1024) + body


def _webp(*parts: tuple[bytes, bytes], canvas: int = 0) -> bytes:
    whole = _saved("WEBP", lossless=True)
    side = (canvas - 1).to_bytes(3, "little") if canvas else None
    first = [(b"VP8X", b"\x2c\0\0\0" + side + side)] if side else []
    body = (
        b"".join(k + len(b).to_bytes(4, "little") + b + b"\0" * (len(b) % 2) for k, b in (*first, *parts)) + whole[12:]
    )
    return b"RIFF" + (len(body) + 4).to_bytes(4, "little") + b"WEBP" + body


def _noise() -> bytes:
    into = io.BytesIO()
    values = np.random.default_rng(0).integers(0, 256, (4000, 4800, 3), dtype=np.uint8)
    Image.fromarray(values).save(into, "PNG", compress_level=0)
    return into.getvalue()


BOMBS: dict[str, Callable[[], bytes]] = {
    "png: ancillary chunk of 60 MB": lambda: _png(9, 9, _chunk(b"abCd", bytes(60 * MB - 999))),
    "png: five million chunks": lambda: _png(9, 9, _chunk(b"abCd", b"") * 5_000_000),
    "png: texts that unpack to 1 GB": lambda: _png(9, 9, *[_chunk(b"zTXt", b"a\0\0" + _zeros(64 * MB))] * 16),
    "png: a profile that unpacks to 1 GB": lambda: _png(9, 9, _chunk(b"iCCP", b"a\0\0" + _zeros(1024 * MB))),
    "png: Exif of 60 MB": lambda: _png(9, 9, _chunk(b"eXIf", _exif(65535, 50 * MB, 60 * MB - 999))),
    "png: 4 gigapixels": lambda: _png(65535, 65535, rows=b"x"),
    "png: 20 megapixels of one bit": lambda: _png(4472, 4472),
    "png: 20 megapixels of 64 bits": lambda: _png(4472, 4472, depth=16, kind=6),
    "png: no width": lambda: _png(0, 9),
    "png: 2^31 wide": lambda: _png(1 << 31, 1, rows=b"x"),
    "png: rows that never end": lambda: _png(9, 9, rows=_zeros(1024 * MB)),
    "png: ten thousand frames": lambda: _png(9, 9, _chunk(b"acTL", struct.pack(">II", 10_000, 0)),
                                             *[_chunk(b"fcTL", bytes(26))] * 10_000),
    "png: a header chunk of 50 MB": lambda: b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", bytes(50 * MB)),
    "png: a chunk beyond the end": lambda: _png(9, 9)[:33] + b"\x7f\xff\xff\xffIDAT",
    "png: noise of 58 MB": _noise,
    "gif: tiny extensions of 30 MB": lambda: _gif(b"\x21\xfe\x00" * (10 * MB)),
    "gif: an extension of one-byte blocks": lambda: _gif(b"\x21\xfe" + b"\x01\x41" * (15 * MB) + b"\0"),
    "gif: a picture of one-byte blocks": lambda: _gif()[:-4] + b"\x01\x00" * (15 * MB) + b"\0;",
    "gif: 4 gigapixels": lambda: _gif(size=(65535, 65535)),
    "gif: a hundred thousand comments": lambda: _gif(b"\x21\xfe\x03abc\0" * 100_000),
    "gif: ends in its table": lambda: _gif()[:15],
    "gif: no picture": lambda: _gif()[:19] + b";",
    "gif: ten thousand frames": lambda: _gif()[:-1] + (_gif()[19:-1]) * 10_000 + b";",
    "jpeg: 30 MB of fill bytes": lambda: b"\xff\xd8" + b"\xff" * (30 * MB) + _saved("JPEG")[2:],
    "jpeg: 50 MB of comments": lambda: _jpeg_with(*[_segment(0xFE, bytes(65000))] * 800),
    "jpeg: ten million empty segments": lambda: _jpeg_with(b"\xff\xfe\x00\x02" * 10_000_000),
    "jpeg: Exif whose tags share their bytes": lambda: _jpeg_with(
        _segment(0xE1, b"Exif\0\0" + _exif(5000, 60_000, 65000))),
    "jpeg: Exif again and again": lambda: _jpeg_with(*[_segment(0xE1, b"Exif\0\0" + _exif(5000, 60_000, 65000))] * 500),
    "jpeg: profiles of 50 MB": lambda: _jpeg_with(*[_segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(65000))] * 800),
    "jpeg: a thousand scans": lambda: _scans(150),
    "jpeg: 4 gigapixels": lambda: _saved("JPEG").replace(struct.pack(">HH", 17, 23), struct.pack(">HH", 65500, 65500)),
    "jpeg: 120 megapixels": lambda: _saved("JPEG", (12000, 9990), "L"),
    "jpeg: 20 megapixels, progressive": lambda: _saved("JPEG", (5000, 3990), progressive=True),
    "jpeg: no height": lambda: _saved("JPEG").replace(struct.pack(">HH", 17, 23), struct.pack(">HH", 0, 23)),
    "jpeg: a segment of no length": lambda: _jpeg_with(b"\xff\xe1\x00\x00"),
    "bmp: run-length coded, 20 megapixels": lambda: _bmp(4472, 4472, coding=1, body=b"\x01\x00" * (15 * MB)),
    "bmp: run-length coded, jumps": lambda: _bmp(1000, 1000, coding=1, body=b"\x00\x02\xff\xff" * 250_000),
    "bmp: 2^31 wide": lambda: _bmp((1 << 31) - 1, 2),
    "bmp: upside down without end": lambda: _bmp(9, -(1 << 31)),
    "bmp: 4 billion colours": lambda: _bmp(9, 9, body=bytes(99), colours=(1 << 32) - 1),
    "bmp: 20 megapixels": lambda: _bmp(4472, 4472, body=bytes(4472 * 4472)),
    "bmp: unknown coding": lambda: _bmp(9, 9, coding=77, body=bytes(99)),
    "tiff: a tag of 1.2 GB": lambda: _grey(9, (270, 2, 1_200_000_000, 4096)),
    "tiff: a tag of 55 MB": lambda: _grey(9, (65000, 3, 27 * MB, 4096), tail=bytes(55 * MB)),
    "tiff: tags that share 55 MB": lambda: _grey(9, *[(40000 + n, 7, 55 * MB, 4096) for n in range(300)],
                                                 tail=bytes(55 * MB)),
    "tiff: five million strips": lambda: _grey(9, (273, 4, 5_000_000, 4096), (279, 4, 5_000_000, 4096), (278, 4, 1, 1),
                                               tail=bytes(20_000_000)),
    "tiff: strips that share 50 MB": lambda: _grey(4000, (259, 3, 1, 5), (278, 4, 1, 1), (273, 4, 4000, 4096),
                                                   (279, 4, 4000, 4096), tail=struct.pack("<I", 50 * MB) * 4000 * 3000),
    "tiff: one tile of 4 gigapixels": lambda: _grey(9, (322, 4, 1, 65520), (323, 4, 1, 65520), (324, 4, 1, 4096),
                                                    (325, 4, 1, 81), (259, 3, 1, 8)),
    "tiff: 4 gigapixels": lambda: _grey(9, (256, 4, 1, 65535), (257, 4, 1, 65535)),
    "tiff: 60,000 samples a pixel": lambda: _grey(9, (277, 3, 1, 60000)),
    "tiff: a strip that unpacks to 1 GB": lambda: _grey(9, (259, 3, 1, 8), (279, 4, 1, 1_043_000),
                                                        tail=_zeros(1024 * MB)),
    "tiff: 20 megapixels, packed": lambda: _saved("TIFF", (4472, 4472), compression="tiff_lzw"),
    "tiff: 20 megapixels of floats": lambda: _saved("TIFF", (4000, 4000), "F", compression="tiff_lzw"),
    "tiff: 15 megapixels of 16 bits": lambda: _saved("TIFF", (4000, 3900), "I;16"),
    "tiff: a table that is its own next one": lambda: _grey(9).replace(bytes(4), b"\x08\0\0\0", 1),
    "tiff: an inner table of shared tags": lambda: _grey(9, (34665, 4, 1, 8192), tail=bytes(4096) + _exif(
        65535, 50 * MB, 55 * MB)),
    "tiff: a table beyond the end": lambda: b"II*\0\xff\xff\xff\xff" + bytes(99),
    "tiff: 64-bit": lambda: b"II+\0\x08\0\0\0" + bytes(99),
    "tiff: 65,535 tags": lambda: _tiff(*[(n, 4, 1, n) for n in range(65535)]),
    "webp: 16,383 x 16,383": lambda: _webp(canvas=16383),
    "webp: a canvas of 2^24": lambda: _webp(canvas=1 << 24),
    "webp: a profile of 50 MB": lambda: _webp((b"ICCP", bytes(50 * MB)), canvas=23),
    "webp: Exif of 50 MB": lambda: _webp((b"EXIF", _exif(65535, 50 * MB, 50 * MB)), canvas=23),
    "webp: a million chunks": lambda: _webp(*[(b"abcd", b"")] * 1_000_000),
    "webp: 12 megapixels": lambda: _saved("WEBP", (3500, 3500), quality=20, method=0),
    "text": lambda: b"a letter",
    "an EPS": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
    "an SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    "nothing": lambda: b"",
    "one byte": lambda: b"\x89",
}  # fmt: skip
"""By what they are."""


def sparse(path: Path) -> None:
    """A PNG with an ancillary chunk of 1.5 GB, which takes no room on the disk."""
    head = _png(9, 9)[:33] + (1_500_000_000).to_bytes(4, "big") + b"abCd"
    with path.open("wb") as file:
        file.write(head)
        file.truncate(1_500_000_100)
