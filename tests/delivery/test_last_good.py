"""Whether a rollback needs an OTA, and what it is called."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from k1nb.delivery import HealthStatus, Past, needs_flash, outcome_after_rollback
from k1nb.device import Readings
from k1nb.firmware import Deployment, Grade, Outcome
from tests.delivery.test_preflight import ARTIFACT, NOW, READINGS, STAMP, deployment

FAILED = replace(deployment(Grade.SENT), id=2, artifact_id="f" * 64, execution_id="f", accepted_at=None)
UNTOUCHED = replace(FAILED, started_at=NOW - timedelta(seconds=30))
ACCEPTED = replace(UNTOUCHED, grade=Grade.ACCEPTED, accepted_at=NOW - timedelta(seconds=20))
BEFORE = replace(deployment(Grade.HEALTHY), accepted_at=NOW - timedelta(seconds=6000))


@pytest.mark.parametrize(
    ("failed", "seen", "flash"),
    [
        (UNTOUCHED, READINGS, False),
        (ACCEPTED, READINGS, True),
        (UNTOUCHED, replace(READINGS, uptime_seconds=3.0), True),
        (ACCEPTED, None, True),
        (ACCEPTED, replace(READINGS, stamp=STAMP), False),
    ],
)
def test_only_a_device_that_left_its_last_good_image_is_flashed(
    failed: Deployment, seen: Readings | None, flash: bool
) -> None:
    """No OTA is made where the device never left the last good image."""
    assert needs_flash(ARTIFACT, failed, Past((failed, BEFORE), {ARTIFACT.id: ARTIFACT}, seen))[0] is flash


@pytest.mark.parametrize(
    ("status", "needed", "verified", "outcome"),
    [
        ("unhealthy", "flash", HealthStatus.HEALTHY, Outcome.rolled_back),
        ("not_deployed", "none", None, Outcome.rolled_back),
        ("unhealthy", "flash", HealthStatus.OFFLINE, Outcome.needs_usb),
        ("unhealthy", "flash", HealthStatus.NEEDS_USB, Outcome.needs_usb),
        ("unhealthy", "flash", HealthStatus.NOT_DEPLOYED, Outcome.failed),
        ("offline", None, None, Outcome.needs_usb),
        ("unhealthy", None, None, Outcome.failed),
        ("unhealthy", "flash", HealthStatus.UNHEALTHY, Outcome.failed),
    ],
)
def test_the_outcome_says_how_the_device_was_left(
    status: str, needed: str | None, verified: str | None, outcome: Outcome
) -> None:
    """Only a device proven on its last good image is rolled back; a silent one needs USB."""
    assert outcome_after_rollback(status, needed=needed, verified=verified) is outcome
