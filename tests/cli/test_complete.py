"""Completion, as bash itself asks for it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.records._staging import Staging

PROGRAM = Path(sys.executable).parent
ASK = """
source "$HOME/.bash_completions/k1nb.sh"
COMP_WORDS=({words}); COMP_CWORD={place}; COMPREPLY=()
_k1nb_completion k1nb
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def bash(home: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a script in bash, with k1nb on its path."""
    path = f"{PROGRAM}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "HOME": str(home), "PATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a user's home in which completion is installed, the way `--help` says."""
    home = tmp_path_factory.mktemp("user")
    done = bash(home, "k1nb --install-completion; true")
    assert done.stderr == ""
    assert "bash completion installed" in done.stdout
    return home


def offered(shell: Path, settings: Settings, *words: str, **environment: str) -> list[str]:
    """Return what bash offers for the last of these words."""
    quoted = " ".join(f"'{word}'" for word in ("k1nb", *words))
    script = ASK.format(words=quoted, place=len(words))
    done = bash(shell, script, K1NB_HOME=str(settings.home), **environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_the_script_is_shown(shell: Path) -> None:
    """`--show-completion` prints what `--install-completion` installs."""
    shown = bash(shell, "k1nb --show-completion; true").stdout
    assert "complete -o default -F _k1nb_completion k1nb" in shown
    assert ".bash_completions/k1nb.sh" in (shell / ".bashrc").read_text()


@pytest.mark.parametrize(
    ("words", "found"),
    [
        (("sta",), ["status"]),
        (("up", "con"), ["conductor"]),
        (("down", "w"), ["workers"]),
        (("logs", "su"), ["supervisord"]),
        (("run", "firmware_r"), ["firmware_rollback"]),
        (("records", "sh"), ["show"]),
        (("device", "info", "be"), ["bench"]),
        (("device", "history", "be"), ["bench"]),
        (("rollback", ""), ["bench", "stage"]),
        (("deploy", "b"), ["bench"]),
        (("deploy", "bench", "0123abc", "--repo", ""), []),
        (("device", "simulate", "b"), ["bench"]),
        (("schedule", "add", "morning", "firmware_r"), ["firmware_rollback"]),
        (("schedule", "remove", ""), []),
        (("schedule", "add", "morning", "daily_health", "--zone", "Europe/Berl"), ["Europe/Berlin"]),
        (("run", "fleet_rollout", "-p", "so"), ["soak_seconds="]),
        (("run", "nothing_such", "-p", "so"), []),
        (("schedule", "add", "fleet_rollout", "daily_health", "-p", "h"), ["hours="]),
        (("schedule", "add", "fleet_rollout", "daily_health", "-p", "so"), []),
        (("run", "-p", "so"), []),
        (("records", "list", "--verdict", "U"), ["UNKNOWN"]),
        (("records", "search", "--device", ""), ["bench", "stage"]),
        (("records", "prune", "--notebook", "firmware_r"), ["firmware_rollback"]),
        (("run", "nothing_such"), []),
        (("doctor", "--s"), ["--strict"]),
    ],
)
def test_names_that_are_there_are_offered(
    shell: Path, settings: Settings, words: tuple[str, ...], found: list[str]
) -> None:
    """Commands, services, notebooks and devices of the inventory are completed; without a server no schedules are."""
    Inventory(settings.paths).add(Device("bench", "02:4B:31:00:00:02", "127.0.0.1", 8001, 8002))
    Inventory(settings.paths).add(Device("stage", "02:4B:31:00:00:03", "127.0.0.1", 8003, 8004))
    assert sorted(offered(shell, settings, *words)) == found


def test_records_are_offered_by_id(shell: Path, settings: Settings) -> None:
    """The beginning of a run's id is completed to the whole."""
    record = Staging(settings).begin("daily_health")
    assert offered(shell, settings, "records", "show", record.id[:8]) == [record.id]


def test_what_is_wrong_is_not_printed_into_the_line(shell: Path, settings: Settings) -> None:
    """With a setting that is refused nothing is offered, and nothing is said."""
    assert offered(shell, settings, "device", "info", "", METRICS_PORT="nonsense") == []
