"""Facts about the PlatformIO core folder of our own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from k1nb.firmware._toolchain import prepare_core


def test_second_preparation_writes_nothing(tmp_path: Path) -> None:
    """A core folder that is ready stays as it is; one whose files were changed is mended."""
    prepare_core(tmp_path)
    folder = tmp_path / "packages" / "tool-scons"
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    prepare_core(tmp_path)
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
    (folder / "scons.py").write_text("broken")
    prepare_core(tmp_path)
    assert "SCons.Script.main()" in (folder / "scons.py").read_text()


def test_platformio_takes_scons_for_installed(tmp_path: Path) -> None:
    """PlatformIO itself lists the stand-in as the SCons package that it wants."""
    prepare_core(tmp_path)
    program = (
        "import json; from platformio.package.manager.core import get_core_package_dir as find;"
        "print(json.dumps(find('tool-scons', auto_install=False)))"
    )
    shown = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PLATFORMIO_CORE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(json.loads(shown.stdout)).resolve() == (tmp_path / "packages" / "tool-scons").resolve()


def test_folder_is_private(tmp_path: Path) -> None:
    """Nobody else can write to what builds run."""
    prepare_core(tmp_path / "core")
    assert (tmp_path / "core").stat().st_mode & 0o077 == 0
