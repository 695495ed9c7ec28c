"""The image reader against esptool's own loader, which serves as an oracle only."""

from __future__ import annotations

import hashlib
import random
import struct
import subprocess
import sys
from collections.abc import Iterator

from esptool.bin_image import LoadFirmwareImage

from k1nb.errors import ImageError
from k1nb.firmware import Build, Commit, Repository, SampleHealth, read_image, stamp_of

Facts = tuple[int, int, list[tuple[int, int]], int, bool]
PER_KIND = 125


def _ours(data: bytes) -> Facts | None:
    try:
        facts = read_image(data)
    except ImageError:
        return None
    segments = [(segment.address, segment.size) for segment in facts.segments]
    return facts.chip_id, facts.entry, segments, facts.checksum, facts.hash_appended


def _oracle(data: bytes) -> Facts | None:
    """Return what esptool reads; a wrong chip, checksum or hash, which it only shows, counts as a refusal."""
    try:
        image = LoadFirmwareImage("esp32s3", data)
    except Exception:  # noqa: BLE001 - esptool refuses by FatalError, struct.error, TypeError and RuntimeError
        return None
    if image.chip_id != 9 or (image.append_digest and image.stored_digest != image.calc_digest):
        return None
    if image.checksum != image.calculate_checksum():
        return None
    segments = [(segment.addr, len(segment.data)) for segment in image.segments]
    return image.chip_id, image.entrypoint, segments, image.checksum, bool(image.append_digest)


def _sealed(data: bytes) -> bytes:
    return data[:-32] + hashlib.sha256(data[:-32]).digest()


def _patched(data: bytes, offset: int, patch: bytes) -> bytes:
    return data[:offset] + patch + data[offset + len(patch) :]


def _headers(data: bytes) -> list[int]:
    """Return the offsets of the segment headers."""
    offsets, offset = [], 24
    for _ in range(data[1]):
        offsets.append(offset)
        offset += 8 + struct.unpack_from("<I", data, offset + 4)[0]
    return offsets


def _mutations(data: bytes, seed: random.Random) -> Iterator[bytes]:
    """Yield a thousand changed images of eight kinds; half of the kinds are sealed again."""
    block = data.index(b"K1NB-SAMPLE-JSON")
    for _ in range(PER_KIND):
        somewhere = seed.randrange(len(data))
        yield _patched(data, somewhere, bytes([data[somewhere] ^ seed.randrange(1, 256)]))
        yield data[:somewhere]
        yield data + seed.randbytes(seed.randrange(1, 100))
        yield _sealed(_patched(data, seed.randrange(24), seed.randbytes(1)))
        yield _sealed(_patched(data, seed.choice(_headers(data)), seed.randbytes(4)))
        yield _sealed(_patched(data, seed.choice(_headers(data)) + 4, struct.pack("<I", 4 * seed.randrange(40_000))))
        # a changed byte and its checksum, before the sample's JSON, of which esptool knows nothing
        place, change = seed.randrange(32, block), seed.randrange(256)
        changed = _patched(data, place, bytes([data[place] ^ change]))
        yield _sealed(_patched(changed, len(data) - 33, bytes([data[-33] ^ change])))
        yield _patched(data[:-32], 23, bytes([seed.randrange(3)]))


def test_facts_equal_the_oracles(image: bytes) -> None:
    """On the sample image and a thousand changed ones, we read what esptool reads, or both refuse."""
    assert _ours(image) == _oracle(image) is not None
    read = 0
    for mutation in _mutations(image, random.Random(9)):
        ours = _ours(mutation)
        assert ours == _oracle(mutation)
        read += ours is not None
    assert 200 < read < 800


def test_program_agrees(built: Build) -> None:
    """`esptool image-info` calls checksum and hash of the sample image valid and shows its descriptor."""
    command = [sys.executable, "-m", "esptool", "--chip", "esp32s3", "image-info", str(built.image)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    descriptor = read_image(built.image.read_bytes()).descriptor
    assert descriptor is not None
    assert shown.count("(valid)") == 2
    assert f"Project name: {descriptor.project_name}" in shown
    assert f"App version: {descriptor.version}" in shown
    assert f"Compile time: {descriptor.date} {descriptor.time}" in shown
    assert f"ELF file SHA256: {descriptor.elf_sha256}" in shown


def test_sample_says_what_its_source_says(image: bytes, sample: Repository, commit: Commit) -> None:
    """Stamp, patterns and health in the image are those of the commit's source files."""
    facts = read_image(image)
    assert facts.is_sample
    assert facts.sample is not None
    assert facts.sample.stamp == stamp_of(commit.sha)
    assert facts.sample.health == SampleHealth("ok", 118.4, 148, 297, 5210.5, 612.25, 1840.0, 52.75, -54)
    listed = (sample.path / "firmware/include/patterns.def").read_text()
    assert all(f"PATTERN({p.id}, " in listed for p in facts.sample.patterns)
    assert next(p.id for p in facts.sample.patterns if p.audio_reactive) == "prism"
    assert facts.size > 65_536
