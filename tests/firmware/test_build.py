"""Facts about builds: real commits, compiled by PlatformIO."""

from __future__ import annotations

import asyncio
import subprocess
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from k1nb.errors import BuildError, CommitError, UsageError
from k1nb.firmware import (
    Build,
    Commit,
    Limits,
    Repository,
    build_commit,
    build_folder,
    clean_build_folder,
    commit_change,
    count_warnings,
    gate,
    read_image,
    read_usage,
    remove_build_folder,
    stamp_of,
)
from k1nb.paths import Paths
from k1nb.timings import Timings
from tests.firmware.conftest import ENVIRONMENT, build

FILES = {
    "main": "firmware/src/main.c",
    "health": "firmware/include/health.h",
    "patterns": "firmware/include/patterns.def",
    "project": "firmware/platformio.ini",
}


def _changed(sample: Repository, **replaced: tuple[str, str]) -> dict[str, str]:
    """Return files of the sample in which one text each is replaced by another; keys are those of FILES."""
    files = {}
    for name, (old, new) in replaced.items():
        text = (sample.path / FILES[name]).read_text()
        assert old in text
        files[FILES[name]] = text.replace(old, new)
    return files


def _variant(sample: Repository, commit: Commit, files: dict[str, str]) -> Commit:
    """Commit changed files, then put the repository back to what the other tests use."""
    variant = commit_change(sample, "A variant", files)
    subprocess.run(["git", "-C", str(sample.path), "reset", "--hard", "--quiet", commit.sha], check=True)
    return variant


def _gate(built: Build) -> list[str]:
    text = built.log.read_text()
    usage = read_usage(text)
    return gate(
        flash_percent=usage.flash_percent,
        ram_percent=usage.ram_percent,
        warnings=count_warnings(text, built.image.parents[3]),
        image=built.image,
        limits=Limits(),
    )


def test_build_gives_an_image_of_its_commit(built: Build, commit: Commit, paths: Paths) -> None:
    """A build leaves an image with the commit's stamp and time, and a log that ends with success."""
    facts = read_image(built.image.read_bytes())
    assert built.stamp == stamp_of(commit.sha)
    assert facts.descriptor is not None
    assert facts.descriptor.version.endswith(f"+{built.stamp}")
    assert built.image.is_relative_to(paths.builds)
    assert "[SUCCESS] Took" in built.tail
    assert built.log.read_text().endswith(built.tail.lstrip()) or built.tail in built.log.read_text()
    assert built.seconds > 0
    assert _gate(built) == []


def test_same_commit_is_the_same_image_in_every_folder(
    built: Build, paths: Paths, sample: Repository, commit: Commit
) -> None:
    """Two builds at once of one commit, in folders of different depth, give the bytes of the first build."""

    async def both() -> list[Build]:
        folders = [build_folder(paths, "twin"), paths.home / "some" / "where" / "else"]
        logs = [paths.logs / "twin-1.log", paths.logs / "twin-2.log"]
        work = [
            build_commit(sample, commit, ENVIRONMENT, folder, log, Timings())
            for folder, log in zip(folders, logs, strict=True)
        ]
        return await asyncio.gather(*work)

    first, second = asyncio.run(both())
    assert first.image != second.image
    assert first.image.read_bytes() == second.image.read_bytes() == built.image.read_bytes()


def test_firmware_that_names_no_build_is_stamped_if_that_is_wanted(
    paths: Paths, sample: Repository, commit: Commit
) -> None:
    """The macro that the K1's firmware shows reaches the compiler whole, as text, and costs no warning."""
    builder = "platforms/k1nb-sample/builder/main.py"
    text = (sample.path / builder).read_text()
    bare = text.replace("    if commit:\n", "    if False:\n")
    assert bare != text
    block = "firmware/src/sample_block.c"
    default = '#ifndef ARDUINO_ESP32_RELEASE_3_0_0\n#define ARDUINO_ESP32_RELEASE_3_0_0 "none"\n#endif\n'
    silent = _variant(sample, commit, {builder: bare, block: default + (sample.path / block).read_text()})
    folder = build_folder(paths, "stamped")
    plain, stamped = (
        asyncio.run(build_commit(sample, silent, ENVIRONMENT, folder, paths.logs / "stamp.log", Timings(), stamp=stamp))
        for stamp in (False, True)
    )
    assert (plain.stamp, stamped.stamp) == (None, stamp_of(silent.sha))
    assert _gate(stamped) == []


@pytest.mark.parametrize("environment", ["nope", "--version", "", "a b", "../x"])
def test_unknown_environment_is_refused(paths: Paths, sample: Repository, commit: Commit, environment: str) -> None:
    """An environment that the project has not, or that is no name, is a final BuildError."""
    with pytest.raises(BuildError, match=r"nope|no name of a PlatformIO environment") as caught:
        build(paths, sample, commit, "unknown", environment)
    assert caught.value.final
    assert caught.value.hint


def test_compile_error_is_told_in_the_compilers_words(paths: Paths, sample: Repository, commit: Commit) -> None:
    """A commit that doesn't compile is a final BuildError with the compiler's first error line."""
    broken = _variant(sample, commit, _changed(sample, main=("frame = 0;;", "frame = zero;;")))
    with pytest.raises(BuildError) as caught:
        build(paths, sample, broken, "broken")
    line = "src/main.c:25:27: error: use of undeclared identifier 'zero'"
    assert caught.value.message == f"commit {broken.sha[:12]} does not build: {line}"
    assert caught.value.final
    assert "broken.log" in (caught.value.hint or "")


def test_own_warning_is_counted_and_environment_is_bare(
    paths: Paths, sample: Repository, commit: Commit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning in own sources stops at the gate; a build sees none of our settings and secrets."""
    files = _changed(
        sample,
        main=("static struct strip strip;", "static struct strip strip;\nstatic int forgotten;"),
        project=("-Wextra", "-Wextra\nextra_scripts = pre:print.py"),
    )
    script = "import os\nfor item in os.environ.items():\n    print('VARIABLE', *item)\n"
    variant = _variant(sample, commit, files | {"firmware/print.py": script})
    monkeypatch.setenv("CONDUCTOR_AUTH_SECRET", "secret-1")
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "secret-2")
    monkeypatch.setenv("K1NB_HOME", "secret-3")
    monkeypatch.setenv("GIT_DIR", "secret-4")
    monkeypatch.setenv("PLATFORMIO_BUILD_DIR", "/secret-5")
    warned = build(paths, sample, variant, "warned")
    text = warned.log.read_text()
    assert _gate(warned) == ["warnings in own sources: 1, at most 0 is allowed"]
    assert "VARIABLE COMMIT_SHA" in text
    assert "secret-" not in text


def _heavy(sample: Repository, commit: Commit, size: int) -> Commit:
    ballast = f"\n__attribute__((used)) const unsigned char ballast[{size}] = {{1}};\n"
    text = (sample.path / FILES["main"]).read_text()
    return _variant(sample, commit, {FILES["main"]: text + ballast})


def test_much_flash_is_a_breach(paths: Paths, sample: Repository, commit: Commit) -> None:
    """A program that fits the partition, but not the limit, builds and stops at the gate."""
    breaches = _gate(build(paths, sample, _heavy(sample, commit, 1_320_000), "heavy"))
    assert [breach.split(":")[0] for breach in breaches] == ["flash usage"]


def test_too_much_flash_is_platformios_own_refusal(paths: Paths, sample: Repository, commit: Commit) -> None:
    """A program beyond the partition fails in PlatformIO's own size check."""
    with pytest.raises(BuildError, match=r"The program size \(\d+ bytes\) is greater than maximum allowed"):
        build(paths, sample, _heavy(sample, commit, 2_000_000), "heavier")


def test_health_is_a_property_of_the_commit(paths: Paths, sample: Repository, commit: Commit) -> None:
    """Figures and patterns that a person edits in the source come out of the image."""
    files = _changed(
        sample,
        health=("HEALTH_MEMORY_FREE_KB 148", "HEALTH_MEMORY_FREE_KB 12"),
        patterns=('PATTERN(pulse, "Pulse",', 'PATTERN(pulse, "Pülse",'),
    )
    facts = read_image(build(paths, sample, _variant(sample, commit, files), "unhealthy").image.read_bytes())
    assert facts.sample is not None
    assert facts.sample.health.memory_free_kb == 12
    assert facts.sample.patterns[-1].name == "Pülse"


def _below(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in a folder."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if Path(process.cwd()).is_relative_to(folder) and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def test_cancelled_build_leaves_no_process(paths: Paths, sample: Repository, commit: Commit) -> None:
    """After a cancellation nothing of PlatformIO's process group runs, and its folder can be removed."""
    hang = "import subprocess, sys\nsubprocess.run([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
    files = _changed(sample, project=("-Wextra", "-Wextra\nextra_scripts = pre:hang.py"))
    slow = _variant(sample, commit, files | {"firmware/hang.py": hang})
    folder = build_folder(paths, "cancelled")

    async def cancel() -> int:
        running = asyncio.create_task(
            build_commit(sample, slow, ENVIRONMENT, folder, paths.logs / "cancelled.log", Timings())
        )
        while (seen := len(_below(folder))) < 3:  # noqa: ASYNC110 - PlatformIO, SCons and the sleeper tell nobody
            await asyncio.sleep(0.05)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return seen

    assert asyncio.run(cancel()) >= 3
    assert _below(folder) == []
    assert remove_build_folder(paths, "cancelled")


async def _kill(folder: Path, wanted: str, running: asyncio.Task[Build]) -> None:
    """Kill -9 the first process of a build that has this word in its command."""
    while not running.done():
        for process in _below(folder):
            with suppress(psutil.Error):
                if any(wanted in word for word in process.cmdline()):
                    process.kill()
                    return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("wanted", ["platformio", "scons", "ziglang"])
def test_killed_build_is_worth_another_try(paths: Paths, sample: Repository, commit: Commit, wanted: str) -> None:
    """Whichever process of a build is killed, PlatformIO, SCons or the compiler, it is no fault of the commit."""
    hang = "import time\ntime.sleep(1)\n"
    files = _changed(sample, project=("-Wextra", "-Wextra\nextra_scripts = pre:hang.py"))
    slow = _variant(sample, commit, files | {"firmware/hang.py": hang})
    folder = build_folder(paths, "killed")

    async def build_and_kill() -> None:
        log = paths.logs / "killed.log"
        running = asyncio.create_task(build_commit(sample, slow, ENVIRONMENT, folder, log, Timings()))
        await _kill(folder, wanted, running)
        await running

    with pytest.raises(BuildError) as caught:
        asyncio.run(build_and_kill())
    assert not caught.value.final
    assert _below(folder) == []


def test_unknown_commit_cannot_be_checked_out(paths: Paths, sample: Repository) -> None:
    """A commit that the repository has not is a CommitError in git's words, after a few tries."""
    with pytest.raises(CommitError, match="cannot check out ffffffffffff"):
        build(paths, sample, Commit("f" * 40, 0, ""), "missing")


@pytest.mark.parametrize("name", ["", ".", "..", "null", "None", "a/b", "/etc", "../x", ".hidden", "a b", "x" * 129])
def test_build_folder_is_below_the_root(paths: Paths, name: str) -> None:
    """Whatever is no plain name is refused before anything is removed."""
    for use in (build_folder, clean_build_folder, remove_build_folder):
        with pytest.raises(UsageError, match="is no build folder"):
            use(paths, name)


def test_link_is_no_build_folder(paths: Paths, tmp_path: Path) -> None:
    """A link that leads out of the build root is refused, and what it leads to is kept."""
    (tmp_path / "kept").touch()
    paths.builds.mkdir(exist_ok=True)
    (paths.builds / "link").symlink_to(tmp_path)
    with pytest.raises(UsageError):
        remove_build_folder(paths, "link")
    assert (tmp_path / "kept").exists()


def test_cleaning_forgets_the_worktree(built: Build, paths: Paths, sample: Repository, commit: Commit) -> None:
    """Cleaning empties a folder, removing takes it away, and git lists its worktree no more."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(sample.path), "worktree", *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    git("add", "--detach", str(build_folder(paths, "removed") / "source"), commit.sha)
    assert "/removed/source" in git("list")
    assert list(clean_build_folder(paths, "removed").iterdir()) == []
    assert "/removed/source" not in git("list")
    assert remove_build_folder(paths, "removed")
    assert not remove_build_folder(paths, "removed")
    assert built.image.exists()
