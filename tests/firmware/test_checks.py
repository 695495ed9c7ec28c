"""Facts about the checks of what firmware keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from k1nb.checks import Check, Status
from k1nb.config import Settings
from k1nb.firmware import ArtifactStore, Ledger, checks
from tests.firmware.packing import descriptor, pack


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings with a home of its own."""
    return Settings.model_validate({"home": tmp_path / "home", "cache": tmp_path / "cache"})


def _by_name(settings: Settings) -> dict[str, Check]:
    return {check.name: check for check in checks(settings)}


def _store(settings: Settings, tmp_path: Path) -> Path:
    image = tmp_path / "firmware.bin"
    image.write_bytes(pack(descriptor() + bytes(70_000)))
    store = ArtifactStore(settings.paths)
    return store.put(image, version="c" * 40, environment="e", repo="r", branch="b").path


def test_nothing_yet_is_not_counted(settings: Settings) -> None:
    """A new installation has no artifacts and no ledger: listed with their reason, not counted."""
    found = _by_name(settings)
    assert list(found) == ["artifact store: disk space", "artifact store: readable", "ledger: readable"]
    assert found["artifact store: readable"].status is Status.NOT_CONFIGURED
    assert found["ledger: readable"].status is Status.NOT_CONFIGURED
    assert "MiB free" in found["artifact store: disk space"].evidence


def test_whole_store_and_ledger_are_ok(settings: Settings, tmp_path: Path) -> None:
    """What is stored and written counts, with how much it is."""
    _store(settings, tmp_path)
    Ledger(settings.paths).begin("AA:BB:CC:DD:EE:FF", "a", "e", "test")
    found = _by_name(settings)
    assert found["artifact store: readable"].status is Status.OK
    assert found["artifact store: readable"].evidence.startswith("1 stored")
    assert found["ledger: readable"].status is Status.OK
    assert found["ledger: readable"].evidence.startswith("1 deployments")


def test_damage_fails_with_a_way_out(settings: Settings, tmp_path: Path) -> None:
    """A damaged image and a damaged ledger fail, name themselves and say what to do."""
    image = _store(settings, tmp_path)
    image.write_bytes(b"damaged")
    settings.paths.ledger.write_bytes(b"damaged" * 1000)
    found = _by_name(settings)
    for name, subject in (("artifact store: readable", image.stem[:12]), ("ledger: readable", "ledger.sqlite")):
        assert found[name].status is Status.FAIL
        assert subject in found[name].evidence
        assert found[name].hint


def test_a_ledger_that_is_gone_is_missed(settings: Settings) -> None:
    """Where deployments have kept a device's look there was a ledger: without one nothing is known."""
    looks = settings.paths.devices / "snapshots"
    looks.mkdir(parents=True)
    (looks / "execution.json").write_text("{}")
    check = _by_name(settings)["ledger: readable"]
    assert check.status is Status.FAIL
    assert "nothing is known" in check.evidence
