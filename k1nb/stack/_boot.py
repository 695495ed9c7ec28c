"""How the server starts fast: unpacked once, with a cache of loaded classes made in one training start."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from k1nb.config import bare_environment
from k1nb.errors import ServiceError
from k1nb.paths import private, write_text
from k1nb.stack._jar import Notify
from k1nb.stack._java import Java
from k1nb.timings import Timings

FIRST_WITH_CACHE = 25
"""First Java version that writes such a cache by itself at the end of a run."""
_WHY = "the server starts without it; see `k1nb doctor`"


@dataclass(frozen=True, slots=True)
class Training:
    """What a training start needs to know of the server."""

    properties: str
    """Of a server of its own, on a port of its own, in its working directory."""
    ready: Callable[[], bool]
    """Tells whether that server answers."""
    timings: Timings


def boot(
    java: Java, jar: Path, options: Sequence[str], cache: Path, training: Training, notify: Notify
) -> tuple[str, ...]:
    """Return the arguments after Java's `options` that start the jar, the fastest way that can be had.

    Unpacked it starts faster, with the cache of its classes faster still. The cache is made once for each Java, jar and
    set of options; where one of these differs, another is made. What cannot be made is said, and done without: the jar
    itself always starts.
    """
    files = boot_files(java, jar, options, cache)
    place = private(files.folder)
    with FileLock(place / ".lock"):
        try:
            unpacked = _unpacked(java, jar, place, training.timings, notify)
        except (OSError, subprocess.SubprocessError) as error:
            notify(f"the server is not unpacked, so it starts slowly: {_words(error)}")
            return ("-jar", str(jar))
        if java.version < FIRST_WITH_CACHE:
            return ("-jar", str(unpacked))
        classes = files.classes
        if not classes.is_file() and not _trained(java, unpacked, options, classes, training, notify):
            return ("-jar", str(unpacked))
    return (f"-XX:AOTCache={classes}", "-jar", str(unpacked))


def boot_now(java: Java, jar: Path, options: Sequence[str], cache: Path) -> tuple[str, ...] | None:
    """Return what `boot` would return without making anything; None where something would be made first."""
    files = boot_files(java, jar, options, cache)
    if not files.unpacked.is_file():
        return None
    if java.version < FIRST_WITH_CACHE or (files.failed.is_file() and not files.classes.is_file()):
        return ("-jar", str(files.unpacked))
    return (f"-XX:AOTCache={files.classes}", "-jar", str(files.unpacked)) if files.classes.is_file() else None


@dataclass(frozen=True, slots=True)
class BootFiles:
    """Where what makes a fast start is kept, whether or not it has been made."""

    folder: Path
    unpacked: Path
    classes: Path
    """The cache of classes; it fits one Java, jar and set of options."""

    @property
    def failed(self) -> Path:
        """The file that says why the cache could not be made."""
        return self.classes.with_suffix(".failed")


def boot_files(java: Java, jar: Path, options: Sequence[str], cache: Path) -> BootFiles:
    """Return where what this jar starts fast from is kept; the jar must be there."""
    facts = jar.stat()
    folder = cache / "server" / _digest(jar.name, str(facts.st_size), str(facts.st_mtime_ns))
    return BootFiles(folder, folder / "app" / jar.name, folder / f"{_digest(java.description, *options)}.aot")


def _digest(*words: str) -> str:
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def _unpacked(java: Java, jar: Path, place: Path, timings: Timings, notify: Notify) -> Path:
    """Return the jar unpacked beside its libraries, whole or not at all."""
    unpacked = place / "app" / jar.name
    if unpacked.is_file():
        return unpacked
    notify("unpacking the server, once")
    with TemporaryDirectory(dir=place, prefix=".app-") as scratch:
        command = [str(java.path), "-Djarmode=tools", "-jar", str(jar), "extract", "--destination", f"{scratch}/app"]
        subprocess.run(command, capture_output=True, check=True, timeout=timings.conductor_ready)
        shutil.rmtree(place / "app", ignore_errors=True)
        Path(scratch, "app").rename(place / "app")
    return unpacked


def _trained(
    java: Java, unpacked: Path, options: Sequence[str], classes: Path, training: Training, notify: Notify
) -> bool:
    """Make the cache of classes; tell whether it is there. A training that failed is not tried again."""
    failed = classes.with_suffix(".failed")
    if failed.is_file():
        return False
    notify("preparing the server's start-up cache, once for this Java (half a minute)")
    try:
        _train([str(java.path), *options], unpacked, classes, training)
    except (OSError, ServiceError, subprocess.SubprocessError) as error:
        notify(f"there is no start-up cache, so the server starts slowly: {_words(error)}")
        write_text(failed, f"{_words(error)}\n")
        return False
    return True


def _train(command: Sequence[str], unpacked: Path, classes: Path, training: Training) -> None:
    """Start a server, wait until it answers, and stop it: at its end it writes the cache."""
    with TemporaryDirectory(dir=classes.parent, prefix=".training-") as scratch:
        properties, written = Path(scratch, "server.properties"), Path(scratch, "classes.aot")
        write_text(properties, training.properties)
        with Path(scratch, "log").open("wb") as log:
            server = subprocess.Popen(
                [*command, f"-Djava.io.tmpdir={scratch}", f"-XX:AOTCacheOutput={written}", "-jar", str(unpacked)],
                cwd=scratch,
                env=bare_environment(CONDUCTOR_CONFIG_FILE=str(properties)),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is ours to pass on
            )
        try:
            _await_ready(server, training)
            server.terminate()
            server.wait(timeout=training.timings.conductor_ready)  # it writes the cache now
        finally:
            if server.poll() is None:
                server.kill()
                server.wait()
        if not written.is_file():
            raise ServiceError("the training start left no cache", hint=_WHY)
        written.rename(classes)


def _await_ready(server: subprocess.Popen[bytes], training: Training) -> None:
    deadline = time.monotonic() + training.timings.conductor_ready
    while not training.ready():
        if server.poll() is not None:
            raise ServiceError(f"the training start ended with exit status {server.returncode}", hint=_WHY)
        if time.monotonic() > deadline:
            raise ServiceError("the training start was not ready in time", hint=_WHY)
        time.sleep(training.timings.service_poll)


def _words(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        return str(error.stderr.decode(errors="replace").strip().splitlines()[-1])
    return str(error).partition("\n")[0]
