"""The command line, run as a user would run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.firmware import ArtifactStore
from tests.device import _images


def k1nb(settings: Settings, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a home."""
    return subprocess.run(
        [sys.executable, "-m", "k1nb", *words],
        env={**os.environ, "K1NB_HOME": str(settings.home), "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("up",),
        ("down",),
        ("status",),
        ("logs",),
        ("workers",),
        ("demo",),
        ("doctor",),
        ("lab",),
        ("run",),
        ("definitions", "lint"),
        ("definitions", "diff"),
        ("definitions", "apply"),
        ("definitions", "export"),
        ("executions", "start"),
        ("executions", "show"),
        ("records", "list"),
        ("records", "show"),
        ("records", "import"),
        ("device", "list"),
        ("executions", "list"),
        ("executions", "follow"),
        ("executions", "pause"),
        ("executions", "resume"),
        ("executions", "retry"),
        ("executions", "terminate"),
        ("executions", "restart"),
        ("executions", "rerun"),
        ("executions", "repair"),
        ("artifacts", "list"),
        ("artifacts", "verify"),
        ("device", "add"),
        ("device", "remove"),
        ("device", "info"),
        ("device", "simulate"),
    ],
)
def test_every_command_has_help(settings: Settings, words: tuple[str, ...]) -> None:
    """Each command explains itself and ends 0."""
    done = k1nb(settings, *words, "--help")
    assert done.returncode == 0
    assert "Usage:" in done.stdout
    assert done.stderr == ""


def test_help_imports_nothing_heavy() -> None:
    """The tree of commands is built without pandas, matplotlib, httpx, papermill or pydantic."""
    code = "import sys, k1nb.cli; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"pandas", "matplotlib", "httpx", "papermill", "pydantic", "supervisor", "platformio", "rich", "psutil"}
    assert not heavy & set(done.stdout.split())


def test_status_imports_no_more_than_it_shows(settings: Settings) -> None:
    """Looking at the services loads no HTTP client, no log, no simulator and no firmware: it answers at once."""
    code = (
        "import sys; sys.argv[1:] = ['status']\n"
        "from k1nb.cli import main\n"
        "try: main()\n"
        "except SystemExit: print(*sys.modules)"
    )
    environment = {**os.environ, "K1NB_HOME": str(settings.home)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    heavy = {"httpx", "structlog", "pandas", "matplotlib", "papermill", "nbformat", "starlette", "k1nb.firmware"}
    assert "k1nb.stack._status" in loaded
    assert not heavy & loaded


@pytest.mark.parametrize(
    ("words", "environment", "said"),
    [
        (("nonsense",), {}, "No such command"),
        (("status",), {"METRICS_PORT": "x"}, "METRICS_PORT"),
        (("device", "info", "nobody"), {}, "nobody"),
        (("run", "nothing_such"), {}, "nothing_such"),
        (("run", "daily_health", "-p", "devise=x"), {}, "devise"),
        (("run", "daily_health", "-p", "device"), {}, "NAME=VALUE"),
        (("up", "nothing"), {}, "nothing"),
        (("device", "add", "Bad Name", "--mac", "AA:BB:CC:DD:EE:FF", "--address", "127.0.0.1"), {}, "Bad Name"),
        (("device", "add", "ok", "--mac", "nonsense", "--address", "127.0.0.1"), {}, "nonsense"),
    ],
)
def test_wrong_words_end_2_and_say_so(
    settings: Settings, words: tuple[str, ...], environment: dict[str, str], said: str
) -> None:
    """What is used wrongly ends 2, names the word on stderr and prints no traceback."""
    done = k1nb(settings, *words, **environment)
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_a_silent_server_ends_1_with_a_hint(settings: Settings) -> None:
    """Where no server answers, the error names its address and what to do."""
    done = k1nb(settings, "executions", "show", "00000000-0000-0000-0000-000000000000")
    assert done.returncode == 1
    assert str(settings.conductor_port) in done.stderr
    assert "hint:" in done.stderr


def test_definitions_lint_is_green(settings: Settings) -> None:
    """The shipped definitions break no rule and agree with the workers."""
    done = k1nb(settings, "definitions", "lint", "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_devices_are_added_and_listed(settings: Settings) -> None:
    """A device that was added is listed, as text and as JSON."""
    words = ("--mac", "aa:bb:cc:dd:ee:ff", "--address", "127.0.0.1", "--http-port", "9", "--kind", "simulator")
    assert k1nb(settings, "device", "add", "one", *words).returncode == 0
    assert "one" in k1nb(settings, "device", "list").stdout
    (device,) = json.loads(k1nb(settings, "device", "list", "--json").stdout)
    assert (device["name"], device["mac"], device["kind"]) == ("one", "AA:BB:CC:DD:EE:FF", "simulator")
    again = k1nb(settings, "device", "add", "one", *words)
    assert again.returncode == 2
    assert "one" in again.stderr
    assert k1nb(settings, "device", "remove", "one").returncode == 0
    assert json.loads(k1nb(settings, "device", "list", "--json").stdout) == []


def test_status_without_a_stack_ends_1(settings: Settings) -> None:
    """Where nothing runs, status says so and does not end 0."""
    done = k1nb(settings, "status", "--json")
    assert done.returncode == 1
    assert {service["state"] for service in json.loads(done.stdout)} == {"absent"}


def test_wide_tables_are_not_folded_into_a_pipe(settings: Settings) -> None:
    """A table that is piped keeps each address on one line."""
    assert settings.conductor_server_url in k1nb(settings, "status").stdout


def test_executions_are_started_and_shown(line: Settings) -> None:
    """An execution started from the command line is followed to its end and shown with its tasks."""
    done = k1nb(line, "executions", "start", "k1nb-ready", "-i", "nonce=abc", "--follow", "--json")
    assert done.returncode == 0, done.stderr
    execution = json.loads(done.stdout)
    assert (execution["status"], execution["output"]["nonce"]) == ("COMPLETED", "abc")
    assert "ready_probe" in k1nb(line, "executions", "show", execution["id"]).stdout
    assert "k1nb-ready" in k1nb(line, "executions", "list").stdout
    assert k1nb(line, "executions", "list", "k1nb-ready", "--failed", "--json").stdout == "[]\n"


def test_an_unknown_workflow_is_refused_in_the_server_s_words(line: Settings) -> None:
    """Starting what the server does not know ends 1 and quotes it."""
    done = k1nb(line, "executions", "start", "no-such-workflow")
    assert done.returncode == 1
    assert "no-such-workflow" in done.stderr


def test_damaged_artifacts_are_named(settings: Settings, tmp_path: Path) -> None:
    """An artifact with one changed byte is found, named, and ends 1."""
    image = tmp_path / "firmware.bin"
    image.write_bytes(_images.image())
    store = ArtifactStore(settings.paths)
    artifact = store.put(image, version="a" * 40, environment="e", repo="r", branch="main")
    assert k1nb(settings, "artifacts", "verify").returncode == 0
    assert artifact.id[:12] in k1nb(settings, "artifacts", "list").stdout
    data = bytearray(artifact.path.read_bytes())
    data[-1] ^= 1
    artifact.path.chmod(0o600)
    artifact.path.write_bytes(data)
    done = k1nb(settings, "artifacts", "verify")
    assert done.returncode == 1
    assert artifact.id[:12] in done.stdout
