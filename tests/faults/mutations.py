"""Files damaged at random: flipped bits, cut ends, parts taken out, doubled, overwritten."""

import random
import re
from hashlib import sha256

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
