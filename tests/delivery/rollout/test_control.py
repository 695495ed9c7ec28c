"""Resuming is refused where artifact or inventory are not those of the plan any more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from k1nb.config import Settings
from k1nb.delivery.rollout import Rollout, Selection, require_unchanged
from k1nb.delivery.rollout._facts import select
from k1nb.device import Device, Inventory
from k1nb.errors import ArtifactError, ConsentError, UnknownName, UsageError
from k1nb.firmware import Artifact, ArtifactStore
from tests.delivery.rollout.samples import device
from tests.device import _images

DEVICES = (device(0), device(1), replace(device(2), role="production"))


@pytest.fixture
def artifact(settings: Settings) -> Artifact:
    """Store an image."""
    file = settings.home / "image.bin"
    file.write_bytes(_images.sample())
    store = ArtifactStore(settings.paths)
    return store.put(file, version="c" * 40, environment="e", repo="r", branch="main")


def planned(settings: Settings, artifact: Artifact, selection: Selection | None = None) -> Rollout:
    """Fill the inventory and return a rollout to what the selection means."""
    for one in DEVICES:
        Inventory(settings.paths).add(one)
    chosen = selection or Selection()
    devices = select(settings, chosen)
    return Rollout("plan-0123456789ab", artifact.id, "c" * 40, (devices[1:],), devices[:1], chosen)


def put(settings: Settings, one: Device) -> None:
    """Replace an entry of the inventory."""
    Inventory(settings.paths).remove(one.name)
    Inventory(settings.paths).add(one)


def test_an_unchanged_world_is_accepted(settings: Settings, artifact: Artifact) -> None:
    """Nothing is said where everything is as it was, whatever the order of the entries."""
    rollout = planned(settings, artifact)
    put(settings, DEVICES[0])
    require_unchanged(settings, rollout)


def test_a_changed_inventory_is_refused_by_name(settings: Settings, artifact: Artifact) -> None:
    """A device that is gone, new, or has another address or role is named."""
    rollout = planned(settings, artifact)
    Inventory(settings.paths).remove("sim-00")
    Inventory(settings.paths).add(device(9))
    put(settings, replace(DEVICES[1], http_port=1, role="production"))
    with pytest.raises(ConsentError) as refused:
        require_unchanged(settings, rollout)
    for said in ("sim-00 is gone", "sim-09 is new", "sim-01 has another http_port, role"):
        assert said in refused.value.message


def test_devices_that_were_not_meant_may_change(settings: Settings, artifact: Artifact) -> None:
    """A selection by names or role rests on these devices alone; where one is gone it says so."""
    rollout = planned(settings, artifact, Selection(role="test"))
    put(settings, replace(DEVICES[2], http_port=1))
    require_unchanged(settings, rollout)
    named = replace(rollout, selection=Selection(("sim-00", "sim-01")))
    require_unchanged(settings, named)
    Inventory(settings.paths).remove("sim-01")
    with pytest.raises(ConsentError, match="no device 'sim-01'"):
        require_unchanged(settings, named)


def test_a_damaged_image_is_refused(settings: Settings, artifact: Artifact) -> None:
    """An image whose bytes are not those of its id, or that is gone, ends it."""
    rollout = planned(settings, artifact)
    artifact.path.write_bytes(artifact.path.read_bytes() + b"x")
    with pytest.raises(ArtifactError, match="damaged"):
        require_unchanged(settings, rollout)
    artifact.path.unlink()
    with pytest.raises(ArtifactError):
        require_unchanged(settings, rollout)


def test_a_selection_must_mean_something(settings: Settings, artifact: Artifact) -> None:
    """A name that is unknown, and a role that nobody has, are refused before anything is planned."""
    planned(settings, artifact)
    assert [d.name for d in select(settings, Selection(("sim-02", DEVICES[0].mac)))] == ["sim-00", "sim-02"]
    with pytest.raises(UnknownName, match="'nobody'"):
        select(settings, Selection(("nobody",)))
    with pytest.raises(UsageError, match="of role production"):
        select(settings, Selection(("sim-00",), "production"))
