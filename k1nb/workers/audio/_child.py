"""The analysis as a child process: it loads hundreds of MiB, which the worker host is not to keep."""

from __future__ import annotations

import json
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from k1nb._process import run_child
from k1nb.config import bare_environment
from k1nb.errors import RetryableFailure, TerminalFailure
from k1nb.paths import Paths, private
from k1nb.timings import Timings
from k1nb.workers.audio import _analysis

_NEEDED = ("librosa", "soundfile")


def require_extra() -> None:
    """Raise TerminalFailure where the packages of the extra `audio` are not installed."""
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise TerminalFailure(
            f"audio files cannot be read: {' and '.join(missing)} not installed with the workers",
            hint="install the extra: pip install 'k1nb[audio]', then k1nb down workers && k1nb up workers",
        )


async def analyse(paths: Paths, timings: Timings, command: str, file: Path, option: str = "") -> dict[str, Any]:
    """Run one command of the analysis on a file below the artifact root and return its answer.

    Raises TerminalFailure for a file that is not there or is no audio, and without the extra; RetryableFailure where
    the analysis broke.
    """
    require_extra()
    _require_stored(paths, file)
    work, log = private(paths.audio / ".work"), paths.logs / "audio" / f"{file.stem}-{command}.log"
    log.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as folder:
        out = Path(folder) / "answer.json"
        finished = await run_child(
            [sys.executable, "-P", str(_analysis.__file__), command, str(file), option, str(out)],
            cwd=Path(folder),
            env=bare_environment(LC_ALL="C.UTF-8"),
            log=log,
            stop_within=timings.child_stop,
        )
        if finished.exit_code == 0:
            answer: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
            return answer
    said = " ".join(log.read_text(encoding="utf-8", errors="replace").split())[-300:]
    if finished.exit_code == _analysis.UNREADABLE:
        raise TerminalFailure(
            f"{file.name} cannot be read as audio: {said}", hint="give a WAV or MP3 file", output={"valid": False}
        )
    raise RetryableFailure(
        f"the analysis {command} of {file.name} ended with {finished.exit_code}: {said}", hint=f"see {log}"
    )


def _require_stored(paths: Paths, file: Path) -> None:
    """Raise TerminalFailure for a path that is not below the folder of audio files, and for one that is gone."""
    root = paths.audio.resolve()
    if not file.is_absolute() or not file.resolve().is_relative_to(root):
        raise TerminalFailure(f"{file} is no downloaded audio file", hint=f"only files below {root} are read")
    if not file.is_file():
        raise TerminalFailure(f"{file} is not there any more", hint="start again with the download")
