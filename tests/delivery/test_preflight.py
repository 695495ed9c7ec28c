"""What is allowed to be sent, as a table."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from k1nb.delivery import Decision, PreflightFacts, decide
from k1nb.device import Device, Readings
from k1nb.errors import ConsentError, DeviceNonsense, DeviceRefused, DeviceUnreachable, K1Error, SampleRefused
from k1nb.firmware import Artifact, Deployment, Grade, ImageFacts, Outcome, read_image
from tests.device import _images

NOW = datetime(2026, 1, 2, tzinfo=UTC)
MAC = "AA:BB:CC:DD:EE:FF"
DEVICE = Device("bench", MAC, "127.0.0.1")
STAMP = "k1-0123456789ab"
ARTIFACT = Artifact(
    id="a" * 64,
    path=Path("/nowhere"),
    md5="b" * 32,
    size=100_000,
    version="0123456789ab" + "0" * 28,
    environment="esp32-s3-devkitc-1",
    repo="K1.node1",
    branch="main",
    stamp=STAMP,
    stored_at=NOW,
    project_name="k1",
    flash_percent=60.0,
    ram_percent=50.0,
    warnings=0,
)
READINGS = Readings(NOW, MAC, 5000.0, 120.0, 180_000, 4.0, None, "prism", "ok")


def image(*, sample: bool = False) -> ImageFacts:
    """Read the facts of a small valid image."""
    return read_image(_images.sample() if sample else _images.image())


def deployment(grade: Grade) -> Deployment:
    """Make a ledger row that says the device runs the artifact with a grade."""
    return Deployment(1, MAC, ARTIFACT.id, "e", "test", grade, Outcome.succeeded, ["seen"], NOW, NOW, NOW)


FACTS = PreflightFacts(DEVICE, ARTIFACT, image(), False, READINGS, True, None, False)
REFUSAL = DeviceRefused("it answers 429", status=429, hint="wait")
SAME = replace(READINGS, stamp=STAMP)
PRODUCTION = replace(DEVICE, role="production")


@pytest.mark.parametrize(
    ("facts", "decision"),
    [
        (FACTS, Decision.DEPLOY),
        (replace(FACTS, ota_answers=False), Decision.NEEDS_USB),
        (replace(FACTS, current=deployment(Grade.HEALTHY), readings=SAME), Decision.NO_OP),
        (replace(FACTS, current=deployment(Grade.HEALTHY)), Decision.DEPLOY),
        (replace(FACTS, current=deployment(Grade.ACCEPTED), readings=SAME), Decision.DEPLOY),
        (replace(FACTS, image=image(sample=True), proven_simulator=True), Decision.DEPLOY),
        (replace(FACTS, device=PRODUCTION, allow_production=True), Decision.DEPLOY),
    ],
)
def test_what_is_observed_decides(facts: PreflightFacts, decision: Decision) -> None:
    """A deployment is decided from facts alone, with evidence."""
    found = decide(facts)
    assert found.decision is decision
    assert found.evidence


@pytest.mark.parametrize(
    ("facts", "error"),
    [
        (replace(FACTS, image=image(sample=True)), SampleRefused),
        (replace(FACTS, image=image(sample=True), readings=None), SampleRefused),
        (replace(FACTS, device=PRODUCTION), ConsentError),
        (replace(FACTS, readings=None), DeviceUnreachable),
        (replace(FACTS, readings=None, silence=REFUSAL), DeviceRefused),
        (replace(FACTS, readings=replace(READINGS, mac="00:00:00:00:00:01")), DeviceNonsense),
    ],
)
def test_what_must_not_be_is_refused(facts: PreflightFacts, error: type[K1Error]) -> None:
    """Sample images on real devices, unasked production, silence and strangers are refused with a hint."""
    with pytest.raises(error) as caught:
        decide(facts)
    assert caught.value.hint
