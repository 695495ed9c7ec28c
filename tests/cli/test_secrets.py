"""No command hands a secret to the server in words that the server keeps."""

from __future__ import annotations

import pytest

from k1nb.config import Settings
from tests.cli.test_app import k1nb

SECRET = "correct-horse-battery-7"
SAID = f"because {SECRET} leaked"


@pytest.mark.parametrize(
    "words",
    [
        ("schedule", "pause", "morning", "-r", SAID),
        ("schedule", "pause", SECRET),
        ("schedule", "resume", SECRET),
        ("schedule", "remove", SECRET),
        ("schedule", "add", SECRET, "daily_health", "--daily", "06:00"),
        ("executions", "start", "firmware-build", "-i", f"repo={SECRET}"),
        ("executions", "start", "firmware-build", "--key", SAID),
        ("executions", "start", "firmware-build", "--domain", SECRET),
        ("executions", "start", SECRET),
        ("executions", "list", "--text", SECRET),
        ("executions", "terminate", "some-id", "--reason", SAID),
        ("executions", "rerun", "some-id", "-i", f"repo={SECRET}"),
        ("executions", "rerun", "some-id", "--from", SECRET),
        ("approvals", "approve", "some-id", "--reason", SAID),
        ("approvals", "reject", "some-id", "--reason", SAID),
        ("workers", "--domain", SECRET),
        ("rollout", "abort", "plan-000000000000", "--reason", SAID),
    ],
    ids=" ".join,
)
def test_a_secret_is_refused_before_anything_is_sent(settings: Settings, words: tuple[str, ...]) -> None:
    """They end 2 where a command without a server would end 1, and the secret is not told."""
    done = k1nb(settings, *words, CONDUCTOR_AUTH_SECRET=SECRET)
    assert (done.returncode, "holds a secret" in done.stderr) == (2, True), done.stderr
    assert SECRET not in done.stdout + done.stderr


@pytest.mark.parametrize("words", [("executions", "start", "firmware-build", "-i"), ("run", "daily_health", "-p")])
def test_a_secret_that_names_nothing_is_not_told(settings: Settings, words: tuple[str, ...]) -> None:
    """Where a secret stands in the place of NAME=VALUE the error masks it."""
    done = k1nb(settings, *words, SECRET, CONDUCTOR_AUTH_SECRET=SECRET)
    assert (done.returncode, "[redacted]" in done.stderr, SECRET in done.stderr) == (2, True, False)
