"""The task functions that send firmware."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any, Literal

import pytest

from k1nb._http import free_port
from k1nb.conductor import PolledTask, TaskClient, load
from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.errors import ArtifactError, ConductorUnreachable, ConsentError, K1Error, UnknownName
from k1nb.workers import TaskContext
from k1nb.workers._effects import Effects
from k1nb.workers._metrics import Metrics
from k1nb.workers.deploy import FlashIn, RollbackIn, deploy_firmware_ota, rollback_firmware

ARTIFACT = "a" * 64
FLASHING = {"deploy_firmware_ota", "rollback_firmware"}


async def _flash(settings: Settings, allow: bool | None, *, back: bool) -> None:
    polled = PolledTask("t", "flash", "e", "flash", {}, 0, 1, 60.0, "w")
    async with TaskClient.from_settings(settings) as client:
        context = TaskContext(settings, polled, client, Effects(settings.paths), Metrics(["flash"]))
        if back:
            words = RollbackIn(device="wall", firmware_artifact=ARTIFACT, snapshot_id="s", allow_production=allow)
            await rollback_firmware(words, context)
        else:
            await deploy_firmware_ota(FlashIn(device="wall", artifact_id=ARTIFACT, allow_production=allow), context)


@pytest.mark.parametrize("back", [False, True], ids=["deploy", "rollback"])
@pytest.mark.parametrize(
    ("role", "allow", "error"),
    [
        ("production", None, ConsentError),
        ("production", False, ConsentError),
        ("production", True, ConductorUnreachable),
        ("test", None, (ArtifactError, UnknownName)),
    ],
)
def test_a_production_device_is_flashed_only_where_allowed(
    settings: Settings, role: Literal["test", "production"], allow: bool | None, error: type[K1Error], *, back: bool
) -> None:
    """The task that flashes asks for itself, as an execution may be rerun from it, and then asks the server."""
    device = Device("wall", "02:4B:31:00:00:70", "127.0.0.1", free_port(), free_port(), role=role)
    Inventory(settings.paths).add(device)
    with pytest.raises(error):
        asyncio.run(_flash(settings, allow, back=back))


def _tasks(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every task of a definition, however deep."""
    if isinstance(value, dict):
        if "taskReferenceName" in value:
            yield value
        for item in value.values():
            yield from _tasks(item)
    elif isinstance(value, list):
        for item in value:
            yield from _tasks(item)


def test_every_workflow_hands_the_permission_to_what_flashes() -> None:
    """Each task that flashes is told what its execution was allowed."""
    flashing = [task for task in _tasks(list(load().workflows.values())) if task["name"] in FLASHING]
    assert {task["name"] for task in flashing} == FLASHING
    permissions = {task["inputParameters"].get("allow_production") for task in flashing}
    assert permissions == {"${workflow.input.allow_production}"}
