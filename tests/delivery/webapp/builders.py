"""Web apps and targets that the tests of this room share."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from k1nb.config import Settings
from k1nb.delivery.webapp import WebApp, WebAppStore
from k1nb.device import Device

FreePort = Callable[[], int]
PAGE = '<!doctype html><link rel="stylesheet" href="style.css"><script src="https://example.org/x.js"></script>{text}'


def a_build(folder: Path, text: str = "hello") -> Path:
    """Write what a build leaves: a page and a part of it."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    (folder / "index.html").write_text(PAGE.format(text=text))
    (folder / "style.css").write_text("body {}\n")
    (folder / "parts" / "deep.txt").write_text(text)
    return folder


def a_webapp(settings: Settings, text: str = "hello") -> WebApp:
    """Store a web app."""
    built = a_build(settings.home / "built" / text, text)
    return WebAppStore(settings.paths).put(built, version="a" * 40, repo="r", branch="main")


def a_device(free_port: FreePort) -> Device:
    """Return a device that nothing runs for."""
    return Device("demo", "02:4B:31:00:00:01", "127.0.0.1", free_port(), free_port(), kind="simulator")


@contextmanager
def rsync_daemon(folder: Path, port: int) -> Iterator[str]:
    """Run a real rsync daemon for a folder of one's own; yields its module's address."""
    root = folder / "remote"
    root.mkdir()
    config = folder / "rsyncd.conf"
    config.write_text(
        f"use chroot = no\nmunge symlinks = no\nuid = {os.getuid()}\ngid = {os.getgid()}\n"
        f"[web]\npath = {root}\nread only = no\n"
    )
    command = ["rsync", "--daemon", "--no-detach", f"--port={port}", "--address=127.0.0.1", f"--config={config}"]
    try:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL)
    except FileNotFoundError:
        raise AssertionError("missing: rsync (Debian: apt-get install rsync)") from None
    address = f"rsync://127.0.0.1:{port}/web"
    try:
        deadline = time.monotonic() + 20
        while subprocess.run(["rsync", "--list-only", f"{address}/"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.05)
        yield address
    finally:
        process.terminate()
        process.wait(10)
