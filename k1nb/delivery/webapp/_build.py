"""Builds of a web app: a commit, checked out into a folder of its own, built by npm."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from k1nb._process import run_child
from k1nb.config import bare_environment
from k1nb.errors import BuildError, CommitError, PrerequisiteError
from k1nb.firmware import Commit, Repository, check_out
from k1nb.paths import private
from k1nb.timings import Timings

FOLDER = "webapp"
"""Where a repository has its web app, unless its top folder is one."""
OUTPUT = "dist"
"""Where `npm run build` leaves what is served."""
_LINES = 40
_NETWORK = re.compile(r"\b(ENOTFOUND|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EAI_AGAIN|ERR_SOCKET_TIMEOUT)\b")


@dataclass(frozen=True, slots=True)
class WebBuild:
    """A finished build."""

    output: Path
    """The folder with what is served."""
    log: Path
    tail: str
    seconds: float


async def build_webapp(
    repository: Repository, commit: Commit, folder: Path, log: Path, *, cache: Path, timings: Timings
) -> WebBuild:
    """Install a commit's locked packages, if it has any, and run `npm run build`; the log is written anew.

    Raises PrerequisiteError without npm, CommitError where the commit has no web app, BuildError with the end of
    what npm printed; that is not final where a download failed. A cancellation ends the whole process group.
    """
    npm = shutil.which("npm")
    if npm is None:
        raise PrerequisiteError("npm is not installed, and the web app is built by it", hint="install Node.js with npm")
    await asyncio.to_thread(log.unlink, missing_ok=True)
    source = (await asyncio.to_thread(private, folder)).resolve() / "source"
    await check_out(repository, commit, source, log, timings)
    project = await asyncio.to_thread(_project, repository, commit, source)
    environment = _environment(commit, cache)
    seconds = 0.0
    try:
        async with asyncio.timeout(timings.webapp_build):
            for words in await asyncio.to_thread(_steps, project):
                seconds += await _npm((npm, *words), project, environment, log, timings, commit)
    except TimeoutError:
        what = f"the web app of {commit.sha[:12]} was not built within {timings.webapp_build:g} s"
        raise BuildError(what, hint=f"see {log}") from None
    return WebBuild(project / OUTPUT, log, await asyncio.to_thread(_tail, log), seconds)


def _project(repository: Repository, commit: Commit, source: Path) -> Path:
    for folder in (source / FOLDER, source):
        if (folder / "package.json").is_file():
            return folder
    raise CommitError(
        f"commit {commit.sha[:12]} of {repository.name} has no web app: no {FOLDER}/package.json",
        hint="name a commit that has one",
    )


def _steps(project: Path) -> list[Sequence[str]]:
    """Return npm's arguments; packages are installed only as they are locked, so that a build can be repeated."""
    build = ("run", "build")
    if (project / "package-lock.json").is_file():
        return [("ci",), build]
    try:
        package = json.loads((project / "package.json").read_text(encoding="utf-8"))
        wanted = {**package.get("dependencies", {}), **package.get("devDependencies", {})}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise BuildError(f"package.json cannot be read: {error}", hint="mend it and commit it") from error
    if wanted:
        raise BuildError(
            f"package.json wants {', '.join(sorted(wanted))}, and there is no package-lock.json",
            hint="run `npm install` and commit the lock",
        )
    return [build]


def _environment(commit: Commit, cache: Path) -> dict[str, str]:
    return bare_environment(
        CI="true",
        NO_COLOR="1",
        COMMIT_SHA=commit.sha,
        SOURCE_DATE_EPOCH=str(commit.time),
        npm_config_cache=str(cache / "npm"),
        npm_config_update_notifier="false",
        npm_config_fund="false",
        npm_config_audit="false",
    )


async def _npm(
    argv: Sequence[str], project: Path, environment: Mapping[str, str], log: Path, timings: Timings, commit: Commit
) -> float:
    finished = await run_child(argv, cwd=project, env=environment, log=log, stop_within=timings.child_stop)
    if finished.exit_code == 0:
        return finished.seconds
    said = await asyncio.to_thread(_tail, log)
    network = _NETWORK.search(said)
    raise BuildError(
        f"npm {' '.join(argv[1:])} of {commit.sha[:12]} ended with {finished.exit_code}: {said}",
        final=network is None and finished.exit_code > 0,
        hint=f"see {log}",
    )


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return "\n".join(lines[-_LINES:])
