"""Facts about the image reader."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1nb.errors import ImageError
from k1nb.firmware import AppDescriptor, ImageFacts, Segment, read_image, stamp_of
from tests.firmware.packing import HEALTH, block, descriptor, pack

IMAGE = pack(descriptor() + bytes(range(256)) * 300, b"\x11\x22\x33\x44" * 9)
SAMPLE = pack(descriptor(project="k1nb-sample") + block())


def test_facts_are_those_that_were_packed() -> None:
    """Sizes, sums, segments and descriptor come out as they went in."""
    facts = read_image(IMAGE)
    assert facts == ImageFacts(
        size=len(IMAGE),
        sha256=hashlib.sha256(IMAGE).hexdigest(),
        md5=hashlib.md5(IMAGE, usedforsecurity=False).hexdigest(),
        chip_id=9,
        entry=0x42000020,
        segments=(Segment(0x3C000020, 256 + 76800), Segment(0x3C010020, 36)),
        checksum=IMAGE[-33],
        hash_appended=True,
        descriptor=AppDescriptor(
            7, "1.2.3", "k1-firmware", "12:00:00", "Jan 02 2026", "v4.4.7", bytes(range(32)).hex()
        ),
        sample=None,
    )
    assert not facts.is_sample


def test_image_without_descriptor_has_none() -> None:
    """A first segment without the descriptor's magic, or too short for one, gives no descriptor."""
    assert read_image(pack(descriptor(magic=1))).descriptor is None
    assert read_image(pack(descriptor()[:252])).descriptor is None
    assert read_image(pack()).descriptor is None


def test_image_without_hash_is_read() -> None:
    """The appended hash is optional, as the header's flag says."""
    assert not read_image(pack(descriptor(), hashed=0)).hash_appended


def test_bytes_after_the_image_are_allowed() -> None:
    """Padding after the hash, as esptool writes it on request, changes size and sums only."""
    padded = read_image(IMAGE + b"\xff" * 100)
    assert padded.segments == read_image(IMAGE).segments
    assert padded.size == len(IMAGE) + 100


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "truncated: it ends after 0 bytes, within its header"),
        (IMAGE[:23], "truncated: it ends after 23 bytes, within its header"),
        (b"\x7fELF" + IMAGE[4:], "its magic byte is 0x7f"),
        (pack(descriptor(), chip=0), "it is for chip id 0, not 9"),
        (pack(descriptor(), hashed=2), "its hash flag is 2"),
        (IMAGE[:1] + b"\x11" + IMAGE[2:], "it claims 17 segments"),
        (IMAGE[:1] + b"\x03" + IMAGE[2:], "segment 2"),
        (IMAGE[:30], "truncated: it ends after 30 bytes, within the header of segment 0"),
        (IMAGE[:5000], "within segment 0, which claims 77056 bytes"),
        (IMAGE[:28] + b"\x01" + IMAGE[29:], "not whole words"),
        (IMAGE[:-33], "within its checksum"),
        (IMAGE[:-1], "within its SHA-256"),
        (IMAGE[:1000] + b"\x00\x00" + IMAGE[1002:], "its checksum is"),
        (IMAGE[:-1] + bytes([IMAGE[-1] ^ 1]), "its appended SHA-256 hash"),
        (IMAGE[:4] + b"\x00" + IMAGE[5:], "its appended SHA-256 hash"),
    ],
)
def test_fault_is_named(data: bytes, fault: str) -> None:
    """Each way in which an image can be wrong is refused by its name, with a hint."""
    with pytest.raises(ImageError) as caught:
        read_image(data)
    assert fault in caught.value.message
    assert caught.value.hint


def test_sample_block_is_read() -> None:
    """Stamp, patterns and health of a simulated device come from the block in the image."""
    facts = read_image(SAMPLE)
    assert facts.is_sample
    assert facts.sample is not None
    assert facts.sample.stamp == "k1-0123456789ab"
    assert [(p.id, p.audio_reactive) for p in facts.sample.patterns] == [("prism", True)]
    assert {name: getattr(facts.sample.health, name) for name in HEALTH} == HEALTH


def test_sample_is_known_by_either_sign() -> None:
    """The project's name alone, or the block alone, marks an image as sample firmware."""
    assert read_image(pack(descriptor(project="k1nb-sample"))).is_sample
    assert read_image(pack(descriptor(), block())).is_sample
    assert read_image(pack(block(stamp=None))).is_sample


@pytest.mark.parametrize(
    ("wrong", "fault"),
    [
        (block(format=2), "format"),
        (block(patterns=[]), "patterns"),
        (block(patterns=[{"id": "prism"}]), "patterns.0.name"),
        (block(health={**HEALTH, "fps": "fast"}), "health.fps"),
        (block(health={**HEALTH, "fps": float("nan")}), "health.fps"),
        (block(health={**HEALTH, "memory_free_kb": -1}), "health.memory_free_kb"),
        (b"K1NB-SAMPLE-JSON{", "Invalid JSON"),
    ],
)
def test_broken_sample_block_is_refused(wrong: bytes, fault: str) -> None:
    """A sample block that cannot be read refuses the image, for a simulator could not become it."""
    with pytest.raises(ImageError, match="sample block") as caught:
        read_image(pack(descriptor(), wrong))
    assert fault in caught.value.message


@settings(deadline=None)
@given(st.binary(max_size=400), st.integers(0, len(SAMPLE)))
def test_any_bytes_give_facts_or_a_refusal(noise: bytes, start: int) -> None:
    """No bytes make the reader raise anything but ImageError."""
    for data in (noise, b"\xe9" + noise, SAMPLE[:start] + noise, SAMPLE[:start] + noise + SAMPLE[start:]):
        try:
            read_image(data)
        except ImageError:
            continue


def test_stamp_names_the_commit() -> None:
    """A build stamp is `k1-` and twelve hex digits of the commit."""
    assert stamp_of("0123456789abcdef0123456789abcdef01234567") == "k1-0123456789ab"
