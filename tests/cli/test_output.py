"""What every command shares."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from k1nb.config import Settings
from tests.cli.test_app import k1nb
from tests.records.conftest import check, write

SCRIPT = """
import structlog
from k1nb.cli import _output

_output.settings()
log = structlog.get_logger("test")
try:
    raise ValueError("https://correct-horse-battery@example.invalid")
except ValueError:
    log.exception("failed for correct-horse-battery", reason="correct-horse-battery", number=7)
"""


def test_no_secret_reaches_the_log(tmp_path: Path) -> None:
    """Secrets are masked in all that a log line carries, the text of a traceback too."""
    environment = {**os.environ, "K1NB_HOME": str(tmp_path), "CONDUCTOR_AUTH_SECRET": "correct-horse-battery"}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    assert "ValueError: https://[redacted]@example.invalid" in done.stderr
    assert ("correct-horse" in done.stderr, done.stderr.count("[redacted]"), "number=7" in done.stderr) == (
        False,
        3,
        True,
    )


FAILING = """
from k1nb.cli import _output

_output.service_settings("workers")
if __import__("sys").argv[1] == "told":
    _output.fail("no correct-horse-battery", "not correct-horse-battery", 1)
raise ValueError("correct-horse-battery")
"""


@pytest.mark.parametrize(("how", "masks"), [("told", 2), ("raised", 2)])
def test_no_secret_reaches_a_service_s_last_words(tmp_path: Path, how: str, masks: int) -> None:
    """What a service ends with goes to its log as well: an error of ours, or one that nobody foresaw."""
    environment = {**os.environ, "K1NB_HOME": str(tmp_path), "CONDUCTOR_AUTH_SECRET": "correct-horse-battery"}
    script = tmp_path / "script.py"
    script.write_text(FAILING)
    command = [sys.executable, str(script), how]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, "correct-horse" in done.stderr) == (1, False)
    assert done.stderr.count("[redacted]") == masks


def test_a_kernel_that_does_not_start_is_told_once(settings: Settings, tmp_path: Path) -> None:
    """The record says why; what the libraries below would print of it stays off the terminal."""
    (tmp_path / "ipykernel_launcher.py").write_text("raise SystemExit(3)\n")
    done = k1nb(settings, "run", str(write(tmp_path, check("OK"))), PYTHONPATH=str(tmp_path))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.count("the kernel did not start: Kernel died") == 1
