"""Removes everything around the pixels of a picture file before a decoder sees it.

Decoders read everything in a file besides its pixels: a 1.2 GB tag in a TIFF, millions of extensions in a GIF or fill
bytes in a JPEG, chunks that decompress without end. Here the structure of each format is walked within limits, and only
the parts that define the pixels and colours of the first picture are kept; Exif is read only for the number that says
how the camera was held. The result is never longer than the file.
"""

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass

MOST_PARTS = 100_000
"""The most chunks, segments or blocks in a file. A picture of 20 megapixels has a few thousand."""
MOST_TAG_BYTES = 1 << 20
"""The most bytes in all tags of a TIFF together: 65,536 strips need half of that."""
MOST_SCANS = 64
"""The most scans in a progressive JPEG; each is a pass over the whole picture, and 10 are usual."""
EXIF_BYTES = 1 << 16


class ContainerError(ValueError):
    """The reason why a picture file's container is not read, as the end of a sentence."""


@dataclass(frozen=True, kw_only=True)
class Container:
    """A picture file stripped of everything but its pixels, its format and its orientation."""

    format: str
    """The format's name in Pillow."""
    content: bytes
    orientation: int = 1
    """1 to 8: Exif's code for how the camera was held."""


def essential(content: bytes) -> Container:
    """A picture file's bytes stripped to pixels and colours; ContainerError if it is none or exceeds the limits."""
    for start, walk in _WALKS.items():
        if content.startswith(start):
            return walk(content)
    raise ContainerError("it is none of PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM")


def _demand(holds: bool, otherwise: str) -> None:
    if not holds:
        raise ContainerError(otherwise)


def _png(content: bytes) -> Container:
    kept, orientation, at = [content[:8]], 1, 8
    for _ in range(MOST_PARTS):
        if at + 8 > len(content):
            break
        length, kind = int.from_bytes(content[at : at + 4], "big"), content[at + 4 : at + 8]
        end = at + 12 + length
        if kind in (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"):
            _demand(kind != b"IHDR" or length == 13, "its header is not that of a PNG")
            kept.append(content[at:end])
        elif kind == b"eXIf" and length <= EXIF_BYTES:
            orientation = _orientation(content[at + 8 : end - 4])
        at = end
        if kind == b"IEND":
            break
    else:
        raise ContainerError(f"it has more than {MOST_PARTS:,} chunks")
    return Container(format="PNG", content=b"".join(kept), orientation=orientation)


_FILL = re.compile(rb"\xff+")


def _jpeg(content: bytes) -> Container:
    kept, orientation, at = [content[:2]], 1, 2
    for _ in range(MOST_PARTS):
        fill = _FILL.match(content, at)
        if fill is None or fill.end() >= len(content):
            break  # the decoder will say what is wrong
        kind, at = content[fill.end()], fill.end() + 1
        if kind == 0xDA:
            scans = content.count(b"\xff\xda", at) + 1
            _demand(scans <= MOST_SCANS, f"it has {scans:,} scans, and at most {MOST_SCANS} are read")
            kept.append(b"\xff\xda" + content[at:])
            break
        if kind in (0x01, *range(0xD0, 0xD8)):  # these have no length
            continue
        length = int.from_bytes(content[at : at + 2], "big")
        body = content[at : at + length]
        at += max(2, length)
        if kind == 0xE1 and body[2:8] == b"Exif\0\0":
            orientation = _orientation(body[8:])
        if kind in (0xC4, 0xDB, 0xDD, 0xE0, 0xEE) or (0xC0 <= kind <= 0xCF and kind != 0xC8):
            kept.append(bytes((0xFF, kind)) + body)
    else:
        raise ContainerError(f"it has more than {MOST_PARTS:,} segments")
    return Container(format="JPEG", content=b"".join(kept), orientation=orientation)


def _gif(content: bytes) -> Container:
    _demand(len(content) >= 13, "it ends within its header")
    at = 13 + _table(content[10])
    kept, control = [content[:at]], b""
    for _ in range(MOST_PARTS):
        kind = content[at : at + 1]
        if kind == b"\x2c":
            start, at = at, at + 10 + _table(content[at + 9] if at + 9 < len(content) else 0)
            end = _after_blocks(content, at + 1)
            kept += [control, content[start:end], b"\x3b"]
            return Container(format="GIF", content=b"".join(kept))
        if kind != b"\x21":
            break
        end = _after_blocks(content, at + 2)
        if content[at + 1 : at + 2] == b"\xf9":
            control = content[at : min(end, at + 8)]
        at = end
    else:
        raise ContainerError(f"it has more than {MOST_PARTS:,} extensions")
    raise ContainerError("it has no picture in it")


def _table(flags: int) -> int:
    """The size of a GIF's colour table in bytes."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(content: bytes, at: int) -> int:
    """The position in a GIF after the blocks that begin here."""
    for _ in range(5 * MOST_PARTS):
        if at >= len(content):
            return len(content)
        length = content[at]
        at += 1 + length
        if length == 0:
            return at
    raise ContainerError(f"it has more than {5 * MOST_PARTS:,} blocks")


def _bmp(content: bytes) -> Container:
    _demand(len(content) >= 26, "it ends within its header")
    if int.from_bytes(content[14:18], "little") >= 40 and int.from_bytes(content[30:34], "little") in (1, 2):
        width, height = struct.unpack("<ii", content[18:26])
        # Pillow unpacks these byte by byte.
        _demand(abs(width * height) <= 1 << 20, "it is run-length coded and has more than 1,048,576 pixels")
    return Container(format="BMP", content=content)


def _webp(content: bytes) -> Container:
    _demand(content[8:12] == b"WEBP", "it is none of PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM")
    kept, orientation, at = [], 1, 12
    for _ in range(MOST_PARTS):
        if at + 8 > len(content):
            break
        kind, length = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        end = at + 8 + length + length % 2
        if kind == b"EXIF":
            exif = content[at + 8 : at + 8 + min(length, EXIF_BYTES)]
            orientation = _orientation(exif.removeprefix(b"Exif\0\0"))
        elif kind == b"VP8X":
            flags = content[at + 8 : at + 9]
            kept.append(content[at : at + 8] + bytes((flags[0] & 0x12,) if flags else ()) + content[at + 9 : end])
        elif kind in (b"VP8 ", b"VP8L", b"ALPH", b"ANIM", b"ANMF"):
            kept.append(content[at:end])
        at = end
    else:
        raise ContainerError(f"it has more than {MOST_PARTS:,} chunks")
    body = b"WEBP" + b"".join(kept)
    whole = b"RIFF" + len(body).to_bytes(4, "little") + body
    return Container(format="WEBP", content=whole, orientation=orientation)


_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
"""The size of a TIFF's values in bytes, by type."""
_KEPT_TAGS = frozenset((*range(254, 260), 262, 266, 273, *range(277, 283), 284, 292, 293, 317, 320, *range(322, 326),
                        338, 339, 347, 529, 530, 531, 532))  # fmt: skip
"""The tags that define pixels and colours: sizes, strips, tiles, coding, palette."""


def _tiff(content: bytes) -> Container:
    order = "<" if content.startswith(b"II") else ">"
    entries, orientation = _entries(content, order), 1
    kept, taken = [], 0
    for tag, kind, count, raw in entries:
        if tag == 0x0112 and kind == 3:
            orientation = struct.unpack(f"{order}H", raw[8:10])[0]
        if tag not in _KEPT_TAGS or kind not in _SIZES:
            continue
        taken += _SIZES[kind] * count
        _demand(taken <= MOST_TAG_BYTES, f"its tags take more than {MOST_TAG_BYTES:,} bytes")
        values = _tag_numbers(content, order, kind, count, raw)
        if tag in (279, 325):
            _demand(sum(values) <= 2 * len(content), "its strips take more bytes than the file has")
        if tag in (277, 322, 323):
            most = 8 if tag == 277 else 1 << 13
            _demand(max(values, default=0) <= most, f"its tag {tag} is {max(values, default=0):,}, above {most:,}")
        kept.append(raw)
    at = len(content) + len(content) % 2
    table = struct.pack(f"{order}H", len(kept)) + b"".join(kept) + bytes(4)
    whole = content[:4] + struct.pack(f"{order}I", at) + content[8:] + bytes(at - len(content)) + table
    return Container(format="TIFF", content=whole, orientation=orientation if 1 <= orientation <= 8 else 1)


Entry = tuple[int, int, int, bytes]


def _entries(content: bytes, order: str) -> list[Entry]:
    """The entries of a TIFF's first picture, or of Exif: tag, type, count and the twelve bytes of the entry."""
    if len(content) < 8:
        return []
    at = struct.unpack(f"{order}I", content[4:8])[0]
    if at + 2 > len(content):
        return []
    count = struct.unpack(f"{order}H", content[at : at + 2])[0]
    found = []
    for place in range(at + 2, min(at + 2 + 12 * min(count, 1000), len(content) - 11), 12):
        raw = content[place : place + 12]
        found.append((*struct.unpack(f"{order}HHI", raw[:8]), raw))
    return found


def _tag_numbers(content: bytes, order: str, kind: int, count: int, raw: bytes) -> tuple[int, ...]:
    """The integers of a tag; empty for other types, or if they would be outside the file."""
    letter = {1: "B", 3: "H", 4: "I"}.get(kind)
    if letter is None:
        return ()
    size = _SIZES[kind] * count
    at = struct.unpack(f"{order}I", raw[8:12])[0]
    values = raw[8 : 8 + size] if size <= 4 else content[at : at + size]
    return struct.unpack(f"{order}{count}{letter}", values) if len(values) == size else ()


def _orientation(exif: bytes) -> int:
    """How the camera was held, according to Exif, 1 to 8; 1 if it does not say."""
    order = {b"II": "<", b"MM": ">"}.get(exif[:2])
    for tag, kind, _, raw in _entries(exif, order) if order else ():
        value: int = struct.unpack(f"{order}H", raw[8:10])[0]
        if tag == 0x0112 and kind == 3 and 1 <= value <= 8:
            return value
    return 1


def _ppm(content: bytes) -> Container:
    """A PPM or PGM unchanged: it has only a short header besides its pixels."""
    return Container(format="PPM", content=content)


_WALKS: dict[bytes, Callable[[bytes], Container]] = {
    b"\x89PNG\r\n\x1a\n": _png, b"\xff\xd8\xff": _jpeg, b"GIF87a": _gif, b"GIF89a": _gif, b"BM": _bmp, b"RIFF": _webp,
    b"II*\0": _tiff, b"MM\0*": _tiff, b"P5": _ppm, b"P6": _ppm,
}  # fmt: skip
