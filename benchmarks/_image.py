"""A structurally valid firmware image of a wanted size; it names no sample firmware, and no chip would start it."""

from __future__ import annotations

import hashlib
import struct
from functools import reduce
from operator import xor

SIZE = 1_200_000
"""About what the K1's firmware has."""


def image(size: int) -> bytes:
    """Return an image with so many bytes of code, the same ones each time."""
    code = hashlib.shake_256(b"k1nb").digest(size - size % 4)
    descriptor = struct.pack("<II8x32s32s16s16s32s32s80x", 0xABCD5432, 0, b"1.0", b"bench", b"", b"", b"", bytes(32))
    segments = [(0x3C000020, descriptor), (0x42000020, code)]
    whole = struct.pack("<BBBBIB3sHBHH4sB", 0xE9, len(segments), 2, 0x2F, 0x42000020, 0xEE, b"", 9, 0, 0, 99, b"", 1)
    for address, part in segments:
        whole += struct.pack("<II", address, len(part)) + part
    whole += bytes(15 - len(whole) % 16)
    whole += bytes([reduce(xor, b"".join(part for _, part in segments), 0xEF)])
    return whole + hashlib.sha256(whole).digest()
