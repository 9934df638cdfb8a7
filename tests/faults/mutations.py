"""Files damaged at random: flipped bits, cut ends, parts taken out, doubled, overwritten."""

import json
import random
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

ODD = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Numbers at which sizes go wrong."""
_DIGEST = re.compile(rb'"sha256":"[0-9a-f]{64}"')


def flipped(content: bytes, draws: random.Random) -> bytes:
    """The content with one bit of one byte changed."""
    at = draws.randrange(len(content))
    return content[:at] + bytes([content[at] ^ (1 << draws.randrange(8))]) + content[at + 1 :]


def mutated(content: bytes, draws: random.Random) -> bytes:
    """The content after one to four changes; half of them near the start, where headers are."""
    for _ in range(draws.randint(1, 4)):
        size = len(content)
        at = draws.randrange(min(size, 64) if draws.random() < 0.5 else size) if size else 0
        length = draws.randint(1, 64)
        kind = draws.randrange(7)
        if kind == 0 and size:
            content = flipped(content, draws)
        elif kind == 1:
            content = content[:at] + bytes([draws.randrange(256)]) + content[at + 1 :]
        elif kind == 2:
            content = content[:at]
        elif kind == 3:
            content = content[:at] + content[at + length :]
        elif kind == 4:
            content = content[:at] + content[at : at + length] + content[at:]
        elif kind == 5:
            content = content[:at] + draws.randbytes(length) + content[at:]
        else:
            number = draws.choice(ODD).to_bytes(4, draws.choice(("little", "big")))
            content = content[:at] + number + content[at + 4 :]
    return content


def signed(content: bytes) -> bytes:
    """The content with the digest that its bytes have, so that what reads it gets past that."""
    blank = _DIGEST.sub(b'"sha256":"' + b"0" * 64 + b'"', content)
    return _DIGEST.sub(b'"sha256":"' + sha256(blank).hexdigest().encode() + b'"', content)


WRONG: tuple[Any, ...] = (
    None, True, -1, 0, 1, 1.5, 1e18, 1 << 61, "", "x", "../../etc/passwd", "\x1b[2J", "9" * 300, [], {}, [[]], {"a": 1}
)  # fmt: skip
"""Values that are put in place of others."""


def json_mutated(content: bytes, draws: random.Random) -> bytes:
    """JSON, or lines of it, with one value somewhere in one of the lines replaced, left out or doubled."""
    lines = content.splitlines() if content.count(b"\n{") else [content]
    at = draws.randrange(len(lines))
    values = json.loads(lines[at])
    holders = list(_holders(values))
    holder = draws.choice(holders)
    key = draws.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    kind = draws.randrange(4)
    if kind == 0 and isinstance(holder, dict):
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder.insert(key, holder[key])
    else:
        holder[key] = draws.choice(WRONG)
    lines[at] = json.dumps(values).encode()
    return b"\n".join(lines) + b"\n"


def header_mutated(content: bytes, draws: random.Random) -> bytes:
    """A file of safetensors whose header, which is JSON, has another value somewhere, and another length to match."""
    size = int.from_bytes(content[:8], "little")
    header = json_mutated(content[8 : 8 + size], draws).rstrip()
    header = json.dumps(json.loads(header), separators=(",", ":")).encode()  # so that a digest in it is found
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + size :]


def _holders(value: Any) -> Iterator[Any]:
    """Every list and table in it that is not empty."""
    if isinstance(value, dict | list) and value:
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _holders(inner)
