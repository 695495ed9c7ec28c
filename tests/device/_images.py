"""Structurally valid ESP32-S3 images of more than 64 KiB, built here so that no compiler is needed."""

from __future__ import annotations

import hashlib
import json
import struct
from functools import reduce
from operator import xor
from random import Random
from typing import Any

HEALTHY: dict[str, Any] = {
    "status": "ok",
    "fps": 120.0,
    "memory_free_kb": 140,
    "memory_total_kb": 280,
    "render_avg_us": 4800.0,
    "quantize_avg_us": 600.0,
    "rmt_wait_avg_us": 1400.0,
    "rmt_tx_avg_us": 1500.0,
    "rssi_dbm": -50,
}
PATTERNS: list[dict[str, Any]] = [
    {"id": "ember", "name": "Ember", "description": "Glows", "audio_reactive": False},
    {"id": "echo", "name": "Echo", "description": "Answers sound", "audio_reactive": True},
    {"id": "tide", "name": "Tide", "description": "Comes and goes", "audio_reactive": False},
]


def sample_block(stamp: str | None = "k1-0123456789ab", **health: Any) -> bytes:
    """Return the block by which sample firmware says what it is; `health` changes single figures."""
    facts: dict[str, Any] = {"format": 1, "patterns": PATTERNS, "health": {**HEALTHY, **health}}
    if stamp is not None:
        facts["stamp"] = stamp
    return b"K1NB-SAMPLE-JSON" + json.dumps(facts).encode() + b"\0"


def image(
    content: bytes = b"", *, project: str = "K1.reinvented", chip: int = 9, size: int = 70_000, seed: int = 1
) -> bytes:
    """Return an image with a descriptor, `content` in its read-only data, and `size` bytes of code."""
    descriptor = struct.pack(
        "<II8x32s32s16s16s32s32s80x",
        0xABCD5432,
        0,
        b"1.0",
        project.encode(),
        b"00:00:00",
        b"Jan  1 2026",
        b"v4.4.7",
        bytes(32),
    )
    data = descriptor + content
    segments = [
        (0x3C000020, data + bytes(-len(data) % 4)),
        (0x42000020, Random(seed).randbytes(size - size % 4)),
    ]
    whole = struct.pack("<BBBBIB3sHBHH4sB", 0xE9, len(segments), 2, 0x2F, 0x42000020, 0xEE, b"", chip, 0, 0, 99, b"", 1)
    for address, part in segments:
        whole += struct.pack("<II", address, len(part)) + part
    whole += bytes(15 - len(whole) % 16)
    whole += bytes([reduce(xor, b"".join(part for _, part in segments), 0xEF)])
    return whole + hashlib.sha256(whole).digest()


def sample(stamp: str | None = "k1-0123456789ab", *, seed: int = 1, **health: Any) -> bytes:
    """Return an image as the sample firmware's build makes it."""
    return image(sample_block(stamp, **health), project="k1nb-sample", seed=seed)
