"""Tests of the typed answers."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from k1nb.device import CurrentPattern, Info

INFO = {"device": "K1.reinvented", "uptime_ms": 5, "ip": "192.168.7.20", "mac": "02:4B:31:00:00:01"}


def test_the_stamp_is_the_core_s_release_macro() -> None:
    """A stamped build shows up as build.arduino_release; without one there is no stamp."""
    assert Info.model_validate({**INFO, "build": {"arduino_release": "k1-0123456789ab"}}).stamp == "k1-0123456789ab"
    assert Info.model_validate({**INFO, "build": {"arduino": 10812}}).stamp is None
    assert Info.model_validate({**INFO, "build": {"arduino_release": "3_0_0"}}).stamp is None
    assert Info.model_validate(INFO).stamp is None


def test_the_stamp_is_the_patch_s_git_sha_where_it_is_served() -> None:
    """Firmware with the patch serves its stamp as build.git_sha, which wins; what is no stamp is none."""
    build = {"git_sha": "k1-0123456789ab", "arduino_release": "k1-ba9876543210"}
    assert Info.model_validate({**INFO, "build": build}).stamp == "k1-0123456789ab"
    assert Info.model_validate({**INFO, "build": {"git_sha": "unknown"}}).stamp is None


def test_fields_of_newer_firmware_are_let_pass() -> None:
    """An unknown field is no error."""
    assert Info.model_validate({**INFO, "colour": "blue"}).ip == "192.168.7.20"


def test_answers_are_frozen() -> None:
    """What a device said is not changed afterwards."""
    pattern = CurrentPattern.model_validate({"index": 0, "id": "a", "name": "A", "is_audio_reactive": True})
    with pytest.raises(ValidationError):
        pattern.id = "b"
