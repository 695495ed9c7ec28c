"""`k1nb lab`: JupyterLab on the workbook, for this machine alone."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest

from k1nb.config import Settings
from k1nb.records import shipped
from tests.cli.test_app import k1nb
from tests.stack.conftest import await_true

TOKEN = "a-token-of-the-test"


@pytest.fixture
def lab(settings: Settings, free_port: Callable[[], int], tmp_path: Path) -> Iterator[tuple[int, int]]:
    """Run JupyterLab as a user does and return its port and pid, once it answers."""
    port = free_port()
    jupyter = {f"JUPYTER_{kind}_DIR": str(tmp_path / kind) for kind in ("CONFIG", "DATA", "RUNTIME")}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "k1nb", "lab", "daily_health", "--no-browser", "--port", str(port)],
            env={**os.environ, **jupyter, "K1NB_HOME": str(settings.home), "JUPYTER_TOKEN": TOKEN},
            stdout=log,
            stderr=log,
        )
    try:
        await_true(lambda: process.poll() is not None or _answers(port), within=90)
        assert process.poll() is None, (tmp_path / "log").read_text()
        yield port, process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/api", timeout=5).is_success
    except httpx.TransportError:
        return False


def test_the_workbook_is_open_on_loopback_behind_a_token(lab: tuple[int, int]) -> None:
    """It lists the notebooks to who has the token, refuses who has not, and listens on 127.0.0.1 alone."""
    port, pid = lab
    url = f"http://127.0.0.1:{port}/api/contents"
    assert httpx.get(url, timeout=20).status_code == 403
    listed = httpx.get(url, headers={"Authorization": f"token {TOKEN}"}, timeout=20).json()["content"]
    assert {entry["name"] for entry in listed} >= {f"{name}.ipynb" for name in shipped()}
    listening = [c.laddr.ip for c in psutil.Process(pid).net_connections() if c.status == psutil.CONN_LISTEN]
    assert set(listening) == {"127.0.0.1"}


def test_an_unknown_notebook_opens_nothing(settings: Settings) -> None:
    """A notebook that is not there is refused before anything is laid out or started."""
    done = k1nb(settings, "lab", "nothing_such")
    assert done.returncode == 2
    assert "nothing_such" in done.stderr
    assert not (settings.home / "lab").exists()
