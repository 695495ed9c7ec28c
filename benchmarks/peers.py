"""The official Conductor SDKs, as peers: pinned, in folders of their own. `python -m benchmarks.peers` installs them.

They stand beside k1nb and are never a dependency of it.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from k1nb.config import load
from k1nb.errors import PrerequisiteError

PYTHON_PACKAGE = "conductor-python"
JAVASCRIPT_PACKAGE = "@io-orkes/conductor-javascript"
VERSIONS: Mapping[str, str] = {PYTHON_PACKAGE: "2.0.0", JAVASCRIPT_PACKAGE: "4.0.0"}


@dataclass(frozen=True, slots=True)
class Peer:
    """An SDK that is installed: what runs a program that uses it, and from where."""

    package: str
    version: str
    folder: Path
    program: Path

    @property
    def name(self) -> str:
        """Package and version."""
        return f"{self.package} {self.version}"


def python_sdk() -> Peer:
    """Return the Python SDK; raises PrerequisiteError where it is not installed."""
    folder = _folder(PYTHON_PACKAGE)
    return _installed(PYTHON_PACKAGE, folder, folder / "bin" / "python")


def javascript_sdk() -> Peer:
    """Return the JavaScript SDK; raises PrerequisiteError where it or Node.js is not installed."""
    return _installed(JAVASCRIPT_PACKAGE, _folder(JAVASCRIPT_PACKAGE), _node("node"))


def install() -> list[Peer]:
    """Install what is not there yet and return all peers; raises PrerequisiteError where that cannot be done."""
    for package, way in ((PYTHON_PACKAGE, _install_python), (JAVASCRIPT_PACKAGE, _install_javascript)):
        folder = _folder(package)
        if not _mark(folder).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            way(folder, f"{package}{'@' if package.startswith('@') else '=='}{VERSIONS[package]}")
            _mark(folder).touch()
    return [python_sdk(), javascript_sdk()]


def _install_python(folder: Path, wanted: str) -> None:
    _run([sys.executable, "-m", "venv", str(folder)], wanted)
    _run([str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", wanted], wanted)


def _install_javascript(folder: Path, wanted: str) -> None:
    # Its optional peers contradict each other, and nothing of theirs is needed.
    quiet = ("--legacy-peer-deps", "--ignore-scripts", "--no-audit", "--no-fund", "--silent")
    _run([str(_node("npm")), "install", *quiet, "--prefix", str(folder), wanted], wanted)


def _run(command: list[str], wanted: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["nothing"]
        raise PrerequisiteError(f"{wanted} cannot be installed: {said[-1]}", hint="it comes from a package registry")


def _folder(package: str) -> Path:
    name = package.rpartition("/")[2]
    return load().cache / "peers" / f"{name}-{VERSIONS[package]}"


def _mark(folder: Path) -> Path:
    """Return the file that is there once an installation is whole."""
    return folder / ".whole"


def _installed(package: str, folder: Path, program: Path) -> Peer:
    if not _mark(folder).exists() or not program.exists():
        raise PrerequisiteError(
            f"{package} {VERSIONS[package]} is not installed in {folder}",
            hint="install it with `make peers` (needs a package registry)",
        )
    return Peer(package, VERSIONS[package], folder, program)


def _node(program: str) -> Path:
    found = shutil.which(program)
    if found is None:
        raise PrerequisiteError(f"{program} is not on PATH", hint="install Node.js 18 or newer (Debian: nodejs, npm)")
    return Path(found)


if __name__ == "__main__":
    for peer in install():
        sys.stdout.write(f"{peer.name} in {peer.folder}\n")
