"""Pack and seal images by hand, independently of the reader under test."""

from __future__ import annotations

import hashlib
import json
import struct
from functools import reduce
from operator import xor
from typing import Any

HEALTH = {
    "status": "ok",
    "fps": 120,
    "memory_free_kb": 150,
    "memory_total_kb": 300,
    "render_avg_us": 5000.5,
    "quantize_avg_us": 600.0,
    "rmt_wait_avg_us": 1800.0,
    "rmt_tx_avg_us": 50.0,
    "rssi_dbm": -50,
}
PATTERN = {"id": "prism", "name": "Prism", "description": "White light", "audio_reactive": True}


def block(**changes: Any) -> bytes:
    """Return a sample block whose JSON has some of its keys changed; None takes a key away."""
    content = {"format": 1, "stamp": "k1-0123456789ab", "patterns": [PATTERN], "health": HEALTH, **changes}
    kept = {key: value for key, value in content.items() if value is not None}
    return b"K1NB-SAMPLE-JSON" + json.dumps(kept).encode() + b"\0"


def descriptor(*, version: str = "1.2.3", project: str = "k1-firmware", magic: int = 0xABCD5432) -> bytes:
    """Return the 256 bytes of an app descriptor."""
    texts = [(version, 32), (project, 32), ("12:00:00", 16), ("Jan 02 2026", 16), ("v4.4.7", 32)]
    raw = b"".join(text.encode().ljust(width, b"\0") for text, width in texts)
    return struct.pack("<II8x", magic, 7) + raw + bytes(range(32)) + bytes(80)


def pack(*payloads: bytes, chip: int = 9, hashed: int = 1) -> bytes:
    """Return a sealed image whose segments hold `payloads`, each padded to whole words."""
    head = struct.pack("<BBBBI", 0xE9, len(payloads), 2, 0x2F, 0x42000020)
    head += struct.pack("<BBBBHBHH4xB", 0xEE, 0, 0, 0, chip, 0, 0, 0xFFFF, hashed)
    padded = [payload + bytes(-len(payload) % 4) for payload in payloads]
    body = b"".join(struct.pack("<II", 0x3C000020 + n * 0x10000, len(p)) + p for n, p in enumerate(padded))
    return seal(head + body, reduce(xor, b"".join(padded), 0xEF), hashed=hashed)


def seal(unsealed: bytes, checksum: int, *, hashed: int = 1) -> bytes:
    """Append padding, checksum and hash."""
    data = unsealed + bytes(15 - len(unsealed) % 16) + bytes([checksum])
    return data + hashlib.sha256(data).digest() if hashed else data
