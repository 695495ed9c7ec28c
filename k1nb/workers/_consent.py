"""Whether a task may flash a device."""

from __future__ import annotations

from k1nb import delivery
from k1nb.device import Device
from k1nb.workers._task import TaskContext


async def require_consent(
    context: TaskContext, device: Device, artifact_id: str, allowed: bool | None, *, back: bool = False
) -> list[str]:
    """Return why a device may be flashed; raises ConsentError where it is a production device and nobody said so."""
    return await delivery.require_consent(
        context.settings,
        device,
        artifact_id,
        allow_production=bool(allowed),
        execution_id=context.execution_id,
        back=back,
    )
