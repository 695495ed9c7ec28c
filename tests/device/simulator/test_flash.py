"""Tests of the simulated flash chip."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from k1nb.device.simulator._flash import Flash
from k1nb.errors import StorageError
from tests.device import _images

FIRST, SECOND = _images.sample("k1-000000000001"), _images.sample("k1-000000000002", seed=2)


def flashed(folder: Path, *images: bytes) -> Flash:
    """Return a flash chip that took these images, one after the other, booting each."""
    flash = Flash(folder)
    for image in images:
        flash.activate(flash.write(image))
        flash.boot()
    return flash


def test_an_unflashed_chip_boots_the_factory_s_firmware(tmp_path: Path) -> None:
    """Without otadata there is no stamp and nothing that runs."""
    flash = Flash(tmp_path)
    assert flash.boot().stamp is None
    assert flash.state() == {"flashes_completed": 0, "refused_429": 0, "boots": 1, "running": "factory"}


def test_images_alternate_between_the_partitions(tmp_path: Path) -> None:
    """Each image goes where the running one is not, so that the one before stays."""
    flashed(tmp_path, FIRST, SECOND)
    assert (tmp_path / "app0.bin").read_bytes() == FIRST
    assert (tmp_path / "app1.bin").read_bytes() == SECOND


def test_a_new_simulator_boots_what_the_chip_holds(tmp_path: Path) -> None:
    """Contents and counters survive in the folder."""
    flashed(tmp_path, FIRST, SECOND).count_refusal()
    again = Flash(tmp_path)
    assert again.boot().stamp == "k1-000000000002"
    assert again.state() == {
        "flashes_completed": 2,
        "refused_429": 1,
        "boots": 3,
        "running": hashlib.sha256(SECOND).hexdigest(),
    }


def test_what_was_written_but_not_activated_is_not_booted(tmp_path: Path) -> None:
    """A flash that was cut before its end changes nothing."""
    flash = flashed(tmp_path, FIRST)
    flash.write(SECOND)
    assert flash.boot().stamp == "k1-000000000001"
    assert flash.state()["flashes_completed"] == 1


def test_a_partition_that_cannot_be_started_yields_to_the_other(tmp_path: Path) -> None:
    """As the boot loader does, the chip falls back to the image before."""
    flash = flashed(tmp_path, FIRST, SECOND)
    (tmp_path / "app1.bin").write_bytes(SECOND[:-5])
    assert flash.boot().stamp == "k1-000000000001"
    assert flash.state()["running"] == hashlib.sha256(FIRST).hexdigest()
    (tmp_path / "app0.bin").unlink()
    assert flash.boot().stamp is None
    assert flash.state()["running"] == "factory"


def test_an_image_that_does_not_fit_is_not_written(tmp_path: Path) -> None:
    """A partition holds 1,966,080 bytes."""
    with pytest.raises(StorageError):
        Flash(tmp_path).write(bytes(1_966_081))
    assert list(tmp_path.glob("*.bin")) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"slot": 0, "colour": 1}'])
def test_damaged_otadata_is_named(tmp_path: Path, text: str) -> None:
    """A file that cannot be read is an error with a way out, not a fresh device."""
    (tmp_path / "otadata.json").write_text(text)
    with pytest.raises(StorageError, match=r"otadata\.json"):
        Flash(tmp_path)
