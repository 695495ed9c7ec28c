"""A PlatformIO core folder of our own, in which SCons and compilers from PyPI stand in for downloads."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

from k1nb.errors import PrerequisiteError
from k1nb.paths import private, write_text

_NEEDED = {"SCons": "scons", "esptool": "esptool", "platformio": "platformio", "ziglang": "ziglang"}

_SCONS = """\
import SCons.Script

SCons.Script.main()
"""


def prepare_core(core_dir: Path) -> None:
    """Make the core folder ready for offline builds of the sample firmware; a second call writes nothing.

    Raises PrerequisiteError that names what is not installed.
    """
    missing = [package for module, package in _NEEDED.items() if find_spec(module) is None]
    if missing:
        raise PrerequisiteError(
            f"building the sample firmware needs {', '.join(missing)}", hint="pip install 'k1nb[demo]'"
        )
    folder = private(core_dir) / "packages" / "tool-scons"
    for name, text in _shim(_wanted()).items():
        file = folder / name
        if not file.is_file() or file.read_text(encoding="utf-8") != text:
            write_text(file, text)


def _wanted() -> str:
    """Return the SCons version that the installed PlatformIO asks for."""
    from platformio.dependencies import get_core_dependencies

    return str(get_core_dependencies()["tool-scons"]).lstrip("~^= ")


def _shim(version: str) -> dict[str, str]:
    spec = {"owner": "platformio", "id": 8192, "name": "tool-scons", "requirements": None, "uri": None}
    package = {"name": "tool-scons", "version": version}
    return {
        "package.json": json.dumps(package),
        ".piopm": json.dumps({"type": "tool", **package, "spec": spec}),
        "scons.py": _SCONS,
    }
