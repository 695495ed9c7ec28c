"""Read a firmware image: any bytes in, facts or ImageError out.

The format is that of ESP-IDF's `esp_image_format.h` and `esp_app_desc.h`: a header of 24 bytes, up to 16
segments, a checksum in the last byte of a 16-byte block, and a SHA-256 over all of it.
"""

from __future__ import annotations

import hashlib
import re
import struct
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, ValidationError

from k1nb.errors import ImageError

MAX_IMAGE_SIZE = 1_966_080
"""Bytes of one application partition (0x1E0000) in the 4 MB table."""
MIN_IMAGE_SIZE = 65_536
"""Below this the device's progress callback divides by zero; no real firmware is so small."""
CHIP_ESP32S3 = 9
SAMPLE_PROJECT = "k1nb-sample"
SAMPLE_MARKER = b"K1NB-SAMPLE-JSON"

_MAGIC = 0xE9
_HEADER = struct.Struct("<xBxxI 4x H 9x B")
_SEGMENT = struct.Struct("<II")
_MAX_SEGMENTS = 16
_MAX_SEGMENT_SIZE = 0x1000000
_CHECKSUM_SEED = 0xEF
_DESCRIPTOR = struct.Struct("<II8x32s32s16s16s32s32s80x")
_DESCRIPTOR_OFFSET = 0x20
_DESCRIPTOR_MAGIC = 0xABCD5432


@dataclass(frozen=True, slots=True)
class Segment:
    """One loaded piece: where it goes and how many bytes it has."""

    address: int
    size: int


@dataclass(frozen=True, slots=True)
class AppDescriptor:
    """What the application says about itself at file offset 0x20."""

    secure_version: int
    version: str
    project_name: str
    time: str
    date: str
    idf_version: str
    elf_sha256: str


class Style(StrEnum):
    """What a pattern of the sample firmware draws."""

    WAVE = "wave"
    BREATHE = "breathe"
    CHASE = "chase"
    SOLID = "solid"


@dataclass(frozen=True, slots=True)
class SampleLight:
    """What a pattern shows: `speed` in steps per frame, `hue` and `level` of 1023; a cycle has 1024 steps."""

    style: Style = Style.WAVE
    speed: Annotated[FiniteFloat, Field(ge=0)] = 3.0
    hue: NonNegativeInt = 0
    level: Annotated[NonNegativeInt, Field(le=1023)] = 1023


@dataclass(frozen=True, slots=True)
class SamplePattern:
    """One pattern of the sample firmware, as the device's pattern list shows it."""

    id: Annotated[str, Field(min_length=1)]
    name: str
    description: str
    audio_reactive: bool
    light: SampleLight = SampleLight()


@dataclass(frozen=True, slots=True)
class SampleHealth:
    """What a simulated device that runs this image measures about itself; units are in the names."""

    status: str
    fps: FiniteFloat
    memory_free_kb: NonNegativeInt
    memory_total_kb: NonNegativeInt
    render_avg_us: FiniteFloat
    quantize_avg_us: FiniteFloat
    rmt_wait_avg_us: FiniteFloat
    rmt_tx_avg_us: FiniteFloat
    rssi_dbm: int


@dataclass(frozen=True, slots=True)
class SampleFacts:
    """The block of JSON inside an image of the sample firmware."""

    stamp: str | None
    patterns: tuple[SamplePattern, ...]
    health: SampleHealth


class _Block(BaseModel):
    format: Literal[1]
    stamp: str | None = None
    patterns: Annotated[tuple[SamplePattern, ...], Field(min_length=1)]
    health: SampleHealth


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """What the bytes of an image say; sizes in bytes, sums in lower-case hex."""

    size: int
    sha256: str
    md5: str
    chip_id: int
    entry: int
    segments: tuple[Segment, ...]
    checksum: int
    hash_appended: bool
    descriptor: AppDescriptor | None
    sample: SampleFacts | None

    @property
    def is_sample(self) -> bool:
        """Tell whether this is sample firmware, which must never reach a real device."""
        named = self.descriptor is not None and self.descriptor.project_name == SAMPLE_PROJECT
        return named or self.sample is not None


def read_image(data: bytes) -> ImageFacts:
    """Return the facts of an ESP32-S3 application image; raises ImageError that names the fault.

    Magic, chip, segments, checksum and appended SHA-256 are verified; bytes after the image are allowed, as
    the boot loader allows them. Size limits are the sender's business.
    """
    count, entry, chip_id, hash_appended = _header(data)
    segments, computed, end = _segments(data, count)
    end += 16 - end % 16
    checksum = _byte(data, end - 1)
    if checksum != computed:
        raise _refused(f"its checksum is 0x{checksum:02x}, its bytes add up to 0x{computed:02x}")
    if hash_appended:
        _verify_hash(data, end)
    return ImageFacts(
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        chip_id=chip_id,
        entry=entry,
        segments=segments,
        checksum=checksum,
        hash_appended=hash_appended,
        descriptor=_descriptor(data, segments),
        sample=_sample(data),
    )


def require_fits(size: int) -> None:
    """Raise ImageError for an image of a size, in bytes, that no K1 takes."""
    if not MIN_IMAGE_SIZE <= size <= MAX_IMAGE_SIZE:
        raise ImageError(
            f"an image of {size} bytes is not sent: a K1 takes {MIN_IMAGE_SIZE} to {MAX_IMAGE_SIZE}",
            hint="the device would answer nothing to a larger one, and may restart on a tiny one",
        )


def stamp_of(commit_sha: str) -> str:
    """Return the build stamp of a commit: `k1-` and its first twelve hex digits."""
    return f"k1-{commit_sha[:12]}"


def is_stamp(text: str) -> bool:
    """Tell whether a text is a build stamp of ours."""
    return re.fullmatch(r"k1-[0-9a-f]{12}", text) is not None


def _refused(fault: str) -> ImageError:
    return ImageError(
        f"these bytes are no firmware image for the ESP32-S3: {fault}",
        hint="give the firmware.bin of an ESP32-S3 build, unchanged",
    )


def _truncated(data: bytes, what: str) -> ImageError:
    return _refused(f"truncated: it ends after {len(data)} bytes, within {what}")


def _header(data: bytes) -> tuple[int, int, int, bool]:
    """Return segment count, entry address, chip id and whether a hash is appended."""
    if data and data[0] != _MAGIC:
        raise _refused(f"its magic byte is 0x{data[0]:02x}, not 0x{_MAGIC:02x}")
    if len(data) < _HEADER.size:
        raise _truncated(data, "its header")
    count, entry, chip_id, hash_flag = _HEADER.unpack_from(data)
    if chip_id != CHIP_ESP32S3:
        raise _refused(f"it is for chip id {chip_id}, not {CHIP_ESP32S3} (ESP32-S3)")
    if hash_flag not in (0, 1):
        raise _refused(f"its hash flag is {hash_flag}, not 0 or 1")
    return count, entry, chip_id, hash_flag == 1


def _byte(data: bytes, offset: int) -> int:
    if offset >= len(data):
        raise _truncated(data, "its checksum")
    return data[offset]


def _segments(data: bytes, count: int) -> tuple[tuple[Segment, ...], int, int]:
    """Return the segments, the checksum of their bytes, and where they end."""
    if count > _MAX_SEGMENTS:
        raise _refused(f"it claims {count} segments, more than {_MAX_SEGMENTS}")
    segments, checksum, offset = [], _CHECKSUM_SEED, _HEADER.size
    for number in range(count):
        if offset + _SEGMENT.size > len(data):
            raise _truncated(data, f"the header of segment {number}")
        segment = Segment(*_SEGMENT.unpack_from(data, offset))
        offset += _SEGMENT.size
        if segment.size % 4 or segment.size >= _MAX_SEGMENT_SIZE:
            raise _refused(f"segment {number} claims {segment.size} bytes, not whole words below 16 MiB")
        if offset + segment.size > len(data):
            raise _truncated(data, f"segment {number}, which claims {segment.size} bytes")
        checksum ^= _xor(data[offset : offset + segment.size])
        offset += segment.size
        segments.append(segment)
    return tuple(segments), checksum, offset


def _xor(data: bytes) -> int:
    """Return all bytes xored together, by folding one long number in halves."""
    value, width = int.from_bytes(data, "little"), len(data)
    while width > 1:
        half = (width + 1) // 2
        value = (value >> 8 * half) ^ (value & ((1 << 8 * half) - 1))
        width = half
    return value


def _verify_hash(data: bytes, end: int) -> None:
    stored = data[end : end + 32]
    if len(stored) < 32:
        raise _truncated(data, "its SHA-256")
    if stored != hashlib.sha256(data[:end]).digest():
        raise _refused("its appended SHA-256 hash does not fit its bytes")


def _descriptor(data: bytes, segments: tuple[Segment, ...]) -> AppDescriptor | None:
    if not segments or segments[0].size < _DESCRIPTOR.size:
        return None
    magic, secure_version, *texts, elf = _DESCRIPTOR.unpack_from(data, _DESCRIPTOR_OFFSET)
    if magic != _DESCRIPTOR_MAGIC:
        return None
    version, project_name, time, date, idf_version = (_text(raw) for raw in texts)
    return AppDescriptor(secure_version, version, project_name, time, date, idf_version, elf.hex())


def _text(raw: bytes) -> str:
    return raw.split(b"\0", 1)[0].decode("utf-8", "replace")


def _sample(data: bytes) -> SampleFacts | None:
    start = data.find(SAMPLE_MARKER)
    if start < 0:
        return None
    start += len(SAMPLE_MARKER)
    end = data.find(b"\0", start)
    try:
        block = _Block.model_validate_json(data[start : end if end >= 0 else len(data)], strict=True)
    except ValidationError as error:
        raise _refused(f"its sample block is not as it must be: {_fault(error)}") from None
    return SampleFacts(block.stamp, block.patterns, block.health)


def _fault(error: ValidationError) -> str:
    first: Any = error.errors(include_url=False, include_context=False, include_input=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{place}: {first['msg']}" if place else str(first["msg"])
