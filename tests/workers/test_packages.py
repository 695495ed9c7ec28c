"""Task functions of installed packages: the example is really installed, and served by a real host."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.workers.scratch import Scratch, settings_for, unique

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[2] / "examples" / "k1nb-greeting"
SERVE = (
    "import asyncio, sys; from pathlib import Path; from k1nb.config import Settings; from k1nb.workers import serve; "
    "url, home, port = sys.argv[1:]; "
    "sys.exit(asyncio.run(serve(Settings(home=Path(home), conductor_server_url=url, metrics_port=int(port)))))"
)


def install(folder: Path, *sources: Path) -> Path:
    """Install packages into a folder of their own, as pip does it, and return the folder."""
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    for source in sources:
        copy = folder.parent / f"source-{source.name}"
        if copy != source:
            shutil.copytree(source, copy, dirs_exist_ok=True)  # a build leaves files beside its source
        command = [sys.executable, "-m", "pip", "install", *options, "--target", str(folder), str(copy)]
        subprocess.run(command, check=True, capture_output=True)
    return folder


def variant(folder: Path, name: str, **texts: str) -> Path:
    """Make another package out of the example: its distribution and module named otherwise, texts replaced."""
    made = folder / f"source-{name}"
    shutil.copytree(EXAMPLE, made)
    module = name.replace("-", "_")
    (made / "k1nb_greeting.py").rename(made / f"{module}.py")
    for file in (made / "pyproject.toml", made / f"{module}.py"):
        text = file.read_text().replace("k1nb-greeting", name).replace("k1nb_greeting", module)
        for before, after in texts.items():
            text = text.replace(before, after)
        file.write_text(text)
    return made


def collect(folder: Path) -> subprocess.CompletedProcess[str]:
    """List the task types in a process that sees the folder's packages."""
    code = "from k1nb.workers import all_tasks; print(*(function.name for function in all_tasks()))"
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)


async def test_an_installed_package_s_task_type_is_served(scratch: Scratch, conductor_url: str, tmp_path: Path) -> None:
    """The example, installed by pip, has its task type completed by a host beside our own types."""
    folder = install(tmp_path / "site", EXAMPLE)
    assert "greet_person" in collect(folder).stdout.split()
    name = unique("greeting")
    await scratch.define_workflow(name, ["greet_person"], keys={"name": "${workflow.input.text}"})
    settings = settings_for(conductor_url, tmp_path / "home")
    arguments = (conductor_url, str(settings.home), str(settings.metrics_port))
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    host = await asyncio.create_subprocess_exec(sys.executable, "-c", SERVE, *arguments, env=environment)
    try:
        execution = await scratch.ended(await scratch.start(name, text="Ada"))
    finally:
        host.terminate()
        await host.wait()
    assert (execution["status"], host.returncode) == ("COMPLETED", 0)
    assert execution["tasks"][0]["outputData"] == {"text": "Hello, Ada!"}
    assert await scratch.task_log(execution["tasks"][0]["taskId"]) == ["greeting Ada"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {},
            "k1nb-other 1.0 (entry point greeting = k1nb_other of k1nb.tasks) serves the task type greet_person, "
            "and so does k1nb-greeting 1.0 (entry point greeting = k1nb_greeting of k1nb.tasks)",
        ),
        ({'"greet_person"': '"ready_probe"'}, "serves the task type ready_probe, and so does the package k1nb"),
        (
            {"from pydantic": "import no_such_module\nfrom pydantic"},
            "k1nb-other 1.0 (entry point greeting = k1nb_other of k1nb.tasks) cannot be loaded: ModuleNotFoundError",
        ),
        ({"@task": "#"}, "k1nb-other 1.0 (entry point greeting = k1nb_other of k1nb.tasks) offers no task function"),
    ],
    ids=["double", "double-of-ours", "broken", "empty"],
)
def test_a_package_that_does_not_fit_is_named(tmp_path: Path, change: dict[str, str], said: str) -> None:
    """A double, broken or empty entry point stops the workers with an error that names its distribution."""
    folder = install(tmp_path / "site", EXAMPLE, variant(tmp_path, "k1nb-other", **change))
    found = collect(folder)
    assert found.returncode == 1
    assert said in found.stderr
    assert "hint: " in found.stderr
