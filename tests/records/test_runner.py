"""`k1nb run`: each way a run can end, with real kernels."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from pydantic import SecretStr

from k1nb.checks import Verdict
from k1nb.config import Settings, load
from k1nb.errors import ParameterError, RecordError, UnknownName
from k1nb.records import Archive, Moment, run_notebook
from k1nb.records._chain import Chain
from k1nb.records._notebook import source_sum
from tests.records.conftest import WriteNotebook, check


@pytest.fixture
def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings under which a cell may run for three seconds."""
    assert settings.run is None
    monkeypatch.setenv("K1NB_TIMINGS_SCALE", "0.0009")
    return load()


def test_a_good_run_is_archived_with_its_notebook(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A run that concludes well has its checks, its parameters and the executed notebook in the archive."""
    seen: list[Moment] = []
    file = write_notebook(check("OK"))
    record = run_notebook(
        settings,
        str(file),
        {"device": "1234567", "hours": "2"},
        on_progress=seen.append,
    )
    assert (record.verdict, record.passes, record.reason) == (Verdict.OK, True, "")
    assert dict(record.parameters) == {"device": "1234567", "hours": 2, "strict": False}
    assert record.executed is not None
    notebook = nbformat.read(record.executed, as_version=4)
    assert 'device = "1234567"' in notebook.cells[2].source
    assert notebook.cells[-1].outputs
    assert record.folder == settings.paths.records / record.id
    assert [(m.cell, m.done) for m in seen] == [(cell, done) for cell in range(1, 7) for done in (False, True)]
    assert {(m.cells, m.heading) for m in seen} == {(6, "Tiny")}
    assert [m.check.status for m in seen if m.check] == ["OK"] * 3
    manifest = record.manifest
    assert notebook.metadata["k1nb"] == {"run": record.id, "verdict": "OK", "reason": ""}
    assert {"papermill", "nbclient", "ipykernel", "jupyter_client", "k1nb", "python"} <= manifest.versions.keys()
    assert (manifest.source, manifest.target) == (source_sum(file), f"local {settings.conductor_server_url}")
    assert [took is not None for took in manifest.cell_seconds] == [False, True, True, True, True, True]


@pytest.mark.parametrize(
    ("cells", "conclude", "verdict", "reason"),
    [
        ([check("FAIL")], True, Verdict.FAIL, ""),
        ([check("OK"), "1 / 0"], True, Verdict.INTERRUPTED, "cell 5: ZeroDivisionError: division by zero"),
        (
            [check("OK"), "import sys; sys.exit(0)"],
            True,
            Verdict.INTERRUPTED,
            "cell 5: left the notebook by SystemExit: 0",
        ),
        (
            [check("OK"), "import os; os.kill(os.getpid(), 9)"],
            True,
            Verdict.INTERRUPTED,
            "cell 5: the kernel was killed by SIGKILL",
        ),
        (
            [check("OK"), "import os; os._exit(0)"],
            True,
            Verdict.INTERRUPTED,
            "cell 5: the kernel ended with exit code 0",
        ),
        ([check("OK"), "import time; time.sleep(60)"], True, Verdict.INTERRUPTED, "cell 5 took longer than 3.24 s"),
        ([check("OK")], False, Verdict.INTERRUPTED, "ended before its last cell"),
        ([check("OK"), "run.conclude()", "1 / 0"], False, Verdict.INTERRUPTED, "cell 6: ZeroDivisionError"),
        (["run.add(", "pass"], True, Verdict.INTERRUPTED, "cell 4: SyntaxError"),
    ],
    ids=["fail", "error", "exit-0", "killed", "os-exit", "hangs", "never-concludes", "breaks-after", "syntax"],
)
def test_no_other_end_is_green(
    impatient: Settings,
    write_notebook: WriteNotebook,
    cells: list[str],
    conclude: bool,
    verdict: Verdict,
    reason: str,
) -> None:
    """However a run ends that did not conclude well, its record does not pass, says why, and has the notebook."""
    record = run_notebook(impatient, str(write_notebook(*cells, conclude=conclude)), {})
    assert (record.verdict, record.passes) == (verdict, False)
    assert reason in record.reason
    assert record.executed is not None
    assert [c.name for c in record.checks] == (["a thing: works"] if "check" in cells[0].lower() else [])
    assert not list(impatient.paths.staging.iterdir())
    assert not list(impatient.paths.runtime.iterdir())


@pytest.mark.parametrize(
    ("parameters", "words"), [({"devise": "x"}, "no parameter 'devise'"), ({"hours": "soon"}, "wants int")]
)
def test_wrong_parameters_start_nothing(
    settings: Settings, write_notebook: WriteNotebook, parameters: dict[str, str], words: str
) -> None:
    """Unknown or ill-typed parameters are refused before a kernel starts, and leave no record."""
    with pytest.raises(ParameterError, match=words):
        run_notebook(settings, str(write_notebook()), parameters)
    assert Archive(settings.paths).list() == []


def test_consent_is_a_parameter_of_notebooks_that_apply(settings: Settings, write_notebook: WriteNotebook) -> None:
    """Consent reaches the notebook as its parameter `apply`, and is refused by one that has none."""
    with pytest.raises(ParameterError, match="applies nothing"):
        run_notebook(settings, str(write_notebook()), {}, apply="plan-0123456789ab")
    file = write_notebook(check("OK"), name="applies", parameters='apply: str = ""  # plan')
    record = run_notebook(settings, str(file), {}, apply="plan-0123456789ab")
    assert record.parameters["apply"] == "plan-0123456789ab"


def test_an_unknown_notebook_starts_nothing(settings: Settings) -> None:
    """A notebook that is not there is refused with the known ones."""
    with pytest.raises(UnknownName):
        run_notebook(settings, "no_such", {})


def test_a_path_with_braces_is_just_a_path(settings: Settings, write_notebook: WriteNotebook, tmp_path: Path) -> None:
    """papermill formats its paths; ours reach it as they are."""
    folder = tmp_path / "{home}"
    folder.mkdir()
    file = write_notebook(check("OK")).rename(folder / "tiny.ipynb")
    file.write_text(file.read_text().replace(str(tmp_path / "tiny.ipynb"), str(file)))
    assert run_notebook(settings, str(file), {}).verdict is Verdict.OK


def test_a_kernel_gets_the_settings_of_its_runner(settings: Settings, write_notebook: WriteNotebook) -> None:
    """The kernel has the settings of whoever runs it, runs the same Python, and is reached by sockets of a folder."""
    file = write_notebook(
        "import sys\nfrom ipykernel.kernelapp import IPKernelApp\nprint(run.settings.owner_email, sys.executable)",
        "print(IPKernelApp.instance().transport, IPKernelApp.instance().connection_file)",
        check("OK"),
    )
    record = run_notebook(settings.model_copy(update={"owner_email": "somebody@example.org"}), str(file), {})
    assert record.executed is not None
    text = record.executed.read_text()
    import sys

    assert f"somebody@example.org {sys.executable}" in text
    assert f"ipc {settings.paths.runtime}" in text


def test_a_secret_in_an_output_is_redacted(
    settings: Settings, write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A secret that a cell prints, returns and gives as evidence is in no file of the record."""
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "correct-horse-battery")
    assert settings.github_webhook_secret is None
    guarded = load()
    cell = "word = run.settings.github_webhook_secret.get_secret_value()\nprint(word)\n{word: [word]}"
    adding = "from k1nb.checks import Check, Status\nrun.add(Check('a', Status.OK, word, source=word))"
    record = run_notebook(guarded, str(write_notebook(cell, adding)), {})
    assert isinstance(guarded.github_webhook_secret, SecretStr)
    assert record.verdict is Verdict.OK
    kept = [f.read_text() for f in record.folder.iterdir()]
    assert not [text for text in kept if "correct-horse-battery" in text]
    assert sum(text.count("[redacted]") for text in kept) == record.manifest.redactions > 5


JULIA: dict[str, object] = {"kernelspec": {"name": "julia-1.10", "display_name": "Julia", "language": "julia"}}


def rename_kernel(file: Path, metadata: dict[str, object]) -> Path:
    """Write other metadata into a notebook."""
    notebook = nbformat.read(file, as_version=4)
    notebook.metadata = metadata
    file.write_text(nbformat.writes(notebook), encoding="utf-8")
    return file


def test_a_notebook_that_names_no_kernel_is_run_by_ours(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A notebook without a kernelspec is run by our kernel, parameters included."""
    record = run_notebook(settings, str(rename_kernel(write_notebook(check("OK")), {})), {"device": "bench"})
    assert (record.verdict, record.parameters["device"]) == (Verdict.OK, "bench")


def test_a_notebook_of_another_language_is_not_run(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A notebook that is no Python starts no kernel: its run is INTERRUPTED, says why, and has the notebook."""
    record = run_notebook(settings, str(rename_kernel(write_notebook(check("OK")), JULIA)), {})
    assert (record.verdict, record.checks) == (Verdict.INTERRUPTED, ())
    assert record.reason == "it wants the kernel julia-1.10 (julia), and only Python notebooks are run"
    assert record.executed is not None
    last = nbformat.read(record.executed, as_version=4).cells[-1]
    assert (last.cell_type, "INTERRUPTED" in last.source, record.reason in last.source) == ("markdown", True, True)


def test_a_kernel_that_does_not_start(
    settings: Settings, write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kernel that ends before it answers is said to be one, and its own words are in the record."""
    monkeypatch.setenv("PYTHONHOME", "/nonexistent")
    record = run_notebook(settings, str(write_notebook(check("OK"))), {})
    assert record.verdict is Verdict.INTERRUPTED
    assert record.reason.startswith("the kernel did not start: ")
    assert "Fatal Python error" in (record.folder / "kernel.log").read_text()


def test_a_kernel_that_is_done_is_not_interrupted(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path
) -> None:
    """At the end of a run that concludes neither the kernel nor what it has started gets SIGINT."""
    script = f"trap 'touch {tmp_path}/interrupted' INT; touch {tmp_path}/ready; while :; do sleep 0.01; done"
    start = f"import pathlib, subprocess, time\nsubprocess.Popen(['sh', '-c', {script!r}])\n"
    wait = f"while not pathlib.Path({str(tmp_path / 'ready')!r}).exists():\n    time.sleep(0.01)"
    record = run_notebook(settings, str(write_notebook(start + wait, check("OK"))), {})
    assert record.verdict is Verdict.OK, record.reason
    assert not (tmp_path / "interrupted").exists()
    log = record.folder / "kernel.log"
    assert not log.exists() or "KeyboardInterrupt" not in log.read_text()


def test_a_kernel_that_is_not_there_in_time(
    settings: Settings, write_notebook: WriteNotebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the run's limit is over before its kernel answers, the limit is what is said."""
    (tmp_path / "sitecustomize.py").write_text("import time; time.sleep(5)")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    record = run_notebook(settings, str(write_notebook(check("OK"))), {}, limit=0.5)
    assert record.verdict is Verdict.INTERRUPTED
    assert record.reason == "the run took longer than 0.5 s to start its kernel"


def test_a_whole_run_has_a_limit(settings: Settings, write_notebook: WriteNotebook) -> None:
    """The limit of the whole run counts across cells, and the reason names it and the cell it fell into or before."""
    file = write_notebook("import time; time.sleep(1)", "time.sleep(60)")
    record = run_notebook(settings, str(file), {}, limit=6, cell_limit=50)
    assert record.verdict is Verdict.INTERRUPTED
    assert re.fullmatch("the run took longer than 6 s, (in|before) cell [1-5]", record.reason), record.reason


def test_two_runs_at_once(settings: Settings, write_notebook: WriteNotebook) -> None:
    """Two runs in two processes at the same time don't meet: both are archived, each with its own checks."""
    files = [write_notebook(check("OK", name), name=name) for name in ("one", "two")]
    command = [sys.executable, "-m", "k1nb", "run"]
    runners = [subprocess.Popen([*command, str(file)], stdout=subprocess.DEVNULL) for file in files]
    assert [runner.wait() for runner in runners] == [0, 0]
    found = {record.notebook: [c.name for c in record.checks] for record in Archive(settings.paths).list()}
    assert found == {"one": ["one"], "two": ["two"]}


def test_what_is_staged_is_masked(
    settings: Settings, write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """While a run lasts no file of it holds a secret: neither the notebook's copy nor the kernel's log."""
    word = "correct-horse-battery"
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", word)
    seen = tmp_path / "seen"
    talk = (
        "import os, pathlib, subprocess, time\nword = run.settings.github_webhook_secret.get_secret_value()\n"
        "print(word)\nos.write(1, word[:9].encode()); time.sleep(0.3); os.write(1, word[9:].encode() + b'. ' * 4000)"
    )
    look = (
        f"time.sleep(0.3)\nfolder = pathlib.Path({str(settings.paths.staging)!r}) / run.id\n"
        f"pathlib.Path({str(seen)!r}).write_text('|'.join(f.read_text() for f in folder.iterdir() if f.name[0] != '.'))"
    )
    record = run_notebook(load(), str(write_notebook(talk, look, check("OK"))), {})
    assert (settings.run, record.verdict) == (None, Verdict.OK)
    texts = [seen.read_text(), *(file.read_text() for file in record.folder.iterdir())]
    assert not [text for text in texts if word in text or word[4:] in text]
    assert seen.read_text().count("[redacted]") >= 2
    assert "[redacted]. . " in (record.folder / "kernel.log").read_text()


def test_a_run_that_cannot_be_sealed_is_no_answer(settings: Settings, write_notebook: WriteNotebook) -> None:
    """Whatever a run concluded, without its seal it ends with an error."""
    hasty = settings.model_copy(update={"timings_scale": 0.02})
    waiting = Chain(settings.paths, settings.timings).turn()
    with waiting, pytest.raises(RecordError, match="another run has been sealing"):
        run_notebook(hasty, str(write_notebook(check("OK"))), {})
    (record,) = Archive(settings.paths).list()
    assert (record.folder.parent, record.manifest.seal) == (settings.paths.staging, None)
