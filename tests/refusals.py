"""What every refusal has in common, and disks that refuse."""

from __future__ import annotations

import hashlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from k1nb.config import Settings
from k1nb.errors import K1Error

Words = tuple[str, ...]
Done = subprocess.CompletedProcess[str]


def listing(folder: Path) -> dict[str, str]:
    """Return the sum of every file below a folder, by its path; not of logs, locks and rate windows."""
    found = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.suffix in (".lock", ".log") or path.is_socket() or name.endswith(("-wal", "-shm")):
            continue
        if name == "devices/windows" or name.startswith("devices/windows/"):
            continue
        found[name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
    return found


def files(folder: Path) -> dict[str, str]:
    """Return the listing without folders: an empty one is nothing half-written."""
    return {name: value for name, value in listing(folder).items() if value != "folder"}


def assert_refused(done: Done, code: int, *said: str) -> None:
    """Hold what a command printed against what every refusal is: one line, a hint, nothing on stdout."""
    lines = done.stderr.splitlines()
    assert "Traceback" not in done.stderr, done.stderr
    assert (done.returncode, done.stdout) == (code, ""), done.stderr
    assert [line.partition(":")[0] for line in lines] == ["error", "hint"], done.stderr
    assert len(lines[0]) < 700
    for word in said:
        assert word in done.stderr, done.stderr


def assert_tells(error: K1Error, *said: str) -> None:
    """Hold an error against what the command line makes of it."""
    assert "\n" not in error.message
    assert error.hint
    for word in said:
        assert word in str(error)


def limited(settings: Settings, words: Words, size: int) -> Done:
    """Run a Python program whose files may not grow beyond `size` bytes."""
    return subprocess.run(
        [sys.executable, *words],
        env={**os.environ, "K1NB_HOME": str(settings.home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
        preexec_fn=partial(resource.setrlimit, resource.RLIMIT_FSIZE, (size, size)),
    )


def may_mount() -> bool:
    """Tell whether this process may mount a file system: root with CAP_SYS_ADMIN on Linux."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.is_file() else []
    held = next((int(line.split()[1], 16) for line in lines if line.startswith("CapEff:")), 0)
    return os.geteuid() == 0 and bool(held >> 21 & 1)


@contextmanager
def full_disk(settings: Settings, *, kib: int) -> Iterator[None]:
    """Make the home a file system of its own with so much room, and what was in it."""
    kept = settings.paths.settings_file.read_bytes()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kib}k,mode=700", "tmpfs", str(settings.home)]
    subprocess.run(mount, check=True)
    try:
        settings.paths.settings_file.write_bytes(kept)
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(settings.home)], check=True)
