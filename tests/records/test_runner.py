"""`k1nb run`: each way a run can end, with real kernels."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from pydantic import SecretStr

from k1nb.checks import Verdict
from k1nb.config import Settings, load
from k1nb.errors import ParameterError, UnknownName
from k1nb.records import Archive, run_notebook
from tests.records.conftest import WriteNotebook, check


@pytest.fixture
def impatient(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings under which a cell may run for three seconds."""
    assert settings.run is None
    monkeypatch.setenv("K1NB_TIMINGS_SCALE", "0.005")
    return load()


def test_a_good_run_is_archived_with_its_notebook(settings: Settings, write_notebook: WriteNotebook) -> None:
    """A run that concludes well has its checks, its parameters and the executed notebook in the archive."""
    seen: list[tuple[int, int]] = []
    record = run_notebook(
        settings,
        str(write_notebook(check("OK"))),
        {"device": "1234567", "hours": "2"},
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert (record.verdict, record.passes, record.reason) == (Verdict.OK, True, "")
    assert dict(record.parameters) == {"device": "1234567", "hours": 2, "strict": False}
    assert record.executed is not None
    notebook = nbformat.read(record.executed, as_version=4)
    assert 'device = "1234567"' in notebook.cells[2].source
    assert notebook.cells[-1].outputs
    assert record.folder == settings.paths.records / record.id
    assert seen == sorted(seen)
    assert seen[-1][0] <= seen[-1][1] == 5


@pytest.mark.parametrize(
    ("cells", "conclude", "verdict", "reason"),
    [
        ([check("FAIL")], True, Verdict.FAIL, ""),
        ([check("OK"), "1 / 0"], True, Verdict.INTERRUPTED, "cell 5: ZeroDivisionError: division by zero"),
        ([check("OK"), "import sys; sys.exit(0)"], True, Verdict.INTERRUPTED, "cell 5: SystemExit: 0"),
        ([check("OK"), "import os; os.kill(os.getpid(), 9)"], True, Verdict.INTERRUPTED, "cell 5: DeadKernelError"),
        ([check("OK"), "import os; os._exit(0)"], True, Verdict.INTERRUPTED, "cell 5: DeadKernelError"),
        ([check("OK"), "import time; time.sleep(60)"], True, Verdict.INTERRUPTED, "cell 5: CellTimeoutError"),
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


@pytest.mark.parametrize(
    "metadata",
    [{}, {"kernelspec": {"name": "julia-1.10", "display_name": "Julia", "language": "julia"}}],
    ids=["none", "another"],
)
def test_a_notebook_without_our_kernel_is_run_by_it(
    settings: Settings, write_notebook: WriteNotebook, metadata: dict[str, object]
) -> None:
    """A notebook that names no kernel, or one that is not here, is run by ours, parameters included."""
    file = write_notebook(check("OK"))
    notebook = nbformat.read(file, as_version=4)
    notebook.metadata = metadata
    file.write_text(nbformat.writes(notebook), encoding="utf-8")
    record = run_notebook(settings, str(file), {"device": "bench"})
    assert (record.verdict, record.parameters["device"]) == (Verdict.OK, "bench")
