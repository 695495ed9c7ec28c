"""Staging: how runs grow and are moved in."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import nbformat
import pytest
from pydantic import SecretStr

from k1nb.checks import Check, Status, Verdict
from k1nb.config import Settings
from k1nb.errors import RecordError, StorageError
from k1nb.records import Archive
from k1nb.records._archive import UNSEEN
from k1nb.records._life import ALIVE, life_of
from k1nb.records._record import NOTEBOOK, Process, Record, files_in, write_manifest
from k1nb.records._staging import PARTIAL, SUPERSEDED, Staging

OK = Check("a", Status.OK, "seen")


@pytest.fixture
def staging(settings: Settings) -> Staging:
    """Return the staging of a fresh home."""
    return Staging(settings)


@pytest.fixture
def gone() -> Process:
    """Return a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return Process(pid=child.pid, started=0)


def lose(staging: Staging, record: Record, process: Process, **changes: Any) -> Record:
    """Have a run begun by a process that has ended, on a file system without locks."""
    (record.folder / ALIVE).unlink()
    return staging.update(record, process=process, **changes)


def executed(text: str = "1 + 1") -> nbformat.NotebookNode:
    """Return an executed notebook."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text)])


def test_a_begun_run_is_staged_privately_and_runs(staging: Staging, settings: Settings) -> None:
    """A run that has begun is INTERRUPTED and running, in a folder for its owner alone."""
    record = staging.begin("tiny")
    assert record.folder.parent == settings.paths.staging
    assert record.folder.stat().st_mode & 0o077 == 0
    assert settings.paths.records.stat().st_mode & 0o077 == 0
    (listed,) = Archive(settings.paths).list()
    assert (listed.id, listed.verdict, listed.running) == (record.id, Verdict.INTERRUPTED, True)


def test_changes_are_on_the_disk_at_once(staging: Staging, settings: Settings) -> None:
    """What is added to a staged run can be read by everybody at once."""
    record = staging.update(staging.begin("tiny"), checks=(OK,))
    assert Archive(settings.paths).get(record.id).checks == (OK,)


def test_a_settled_run_is_moved_in_whole(staging: Staging, settings: Settings) -> None:
    """A settled run has left staging, with its notebook and the sums of its files."""
    record = staging.update(staging.begin("tiny"), checks=(OK,), verdict=Verdict.OK)
    settled = staging.settle(record, executed=executed())
    assert settled.folder == settings.paths.records / record.id
    assert not list(settings.paths.staging.iterdir())
    assert settled.verdict is Verdict.OK
    assert not settled.running
    assert dict(settled.files) == {NOTEBOOK: hashlib.sha256((settled.folder / NOTEBOOK).read_bytes()).hexdigest()}


def test_a_reason_takes_a_passing_verdict_back(staging: Staging) -> None:
    """A run that broke after it had concluded well did not end well."""
    record = staging.update(staging.begin("tiny"), checks=(OK,), verdict=Verdict.OK)
    settled = staging.settle(record, reason="cell 9: ZeroDivisionError")
    assert (settled.verdict, settled.reason) == (Verdict.INTERRUPTED, "cell 9: ZeroDivisionError")


def test_a_reason_leaves_a_worse_verdict(staging: Staging) -> None:
    """A run that had found a failure keeps its verdict when it breaks."""
    record = staging.update(staging.begin("tiny"), verdict=Verdict.FAIL)
    assert staging.settle(record, reason="broke").verdict is Verdict.FAIL


def test_a_closed_run_takes_no_changes(staging: Staging) -> None:
    """Once a run has been moved in, nothing can be written into it, nor does its folder in staging come back."""
    record = staging.begin("tiny")
    staging.settle(record)
    with pytest.raises(RecordError, match="closed"):
        staging.update(record, checks=(OK,))
    assert not record.folder.exists()


def test_the_next_start_moves_in_what_a_crash_left(staging: Staging, settings: Settings, gone: Process) -> None:
    """A run whose process is gone is listed as INTERRUPTED, and moved in when the next one begins."""
    record = lose(staging, staging.begin("tiny"), gone, checks=(OK,))
    (listed,) = Archive(settings.paths).list()
    assert (listed.verdict, listed.running) == (Verdict.INTERRUPTED, False)
    staging.begin("tiny")
    left = Archive(settings.paths).get(record.id)
    assert left.folder.parent == settings.paths.records
    assert (left.verdict, left.reason, left.checks) == (Verdict.INTERRUPTED, UNSEEN, (OK,))


def test_a_crash_after_a_good_verdict_is_no_success(staging: Staging, settings: Settings, gone: Process) -> None:
    """A runner that died before it could move a concluded run in leaves no green record."""
    record = lose(staging, staging.begin("tiny"), gone, checks=(OK,), verdict=Verdict.OK)
    staging.sweep()
    assert Archive(settings.paths).get(record.id).verdict is Verdict.INTERRUPTED


def test_what_papermill_saved_before_a_crash_is_kept(staging: Staging, settings: Settings, gone: Process) -> None:
    """The notebook that was saved last joins the record of a crashed run."""
    record = lose(staging, staging.begin("tiny"), gone)
    (record.folder / NOTEBOOK).write_text(nbformat.writes(executed()))
    staging.sweep()
    assert NOTEBOOK in Archive(settings.paths).get(record.id).files


def test_what_cannot_be_looked_at_keeps_nobody_up(staging: Staging, settings: Settings, gone: Process) -> None:
    """A lost run ended when it wrote last, whatever else lies in its folder, such as an editor's dangling link."""
    record = lose(staging, staging.begin("tiny"), gone)
    (record.folder / ".#notebook.ipynb").symlink_to("nowhere")
    staging.sweep()
    left = Archive(settings.paths).get(record.id)
    assert left.folder.parent == settings.paths.records
    assert left.ended_at is not None


def test_half_a_notebook_is_kept_as_text(staging: Staging, settings: Settings, gone: Process) -> None:
    """A notebook that was cut off while it was saved is kept as text, under another name."""
    record = lose(staging, staging.begin("tiny"), gone)
    (record.folder / NOTEBOOK).write_text('{"cells": [{"cell_ty')
    staging.sweep()
    left = Archive(settings.paths).get(record.id)
    assert list(left.files) == [PARTIAL]
    assert (left.folder / PARTIAL).read_text() == '{"cells": [{"cell_ty'


def test_the_kernel_that_begins_again_closes_its_own_run(staging: Staging, settings: Settings) -> None:
    """Of two runs begun by one kernel, only the second is under way."""
    first = staging.begin("tiny")
    staging.sweep()
    assert Archive(settings.paths).get(first.id).running
    staging.sweep(superseded=True)
    assert Archive(settings.paths).get(first.id).reason == SUPERSEDED


def test_a_run_of_another_machine_is_left_alone(staging: Staging, settings: Settings, gone: Process) -> None:
    """Of a process on another host that shares the home nothing is known here, so its run counts as running."""
    record = lose(staging, staging.begin("tiny"), gone, host="another")
    staging.sweep()
    assert Archive(settings.paths).get(record.id).running


BEGIN = """import sys
from k1nb.config import load
from k1nb.records._staging import Staging
print(Staging(load()).begin("tiny").id, flush=True)
sys.stdin.read()"""


def test_neither_clock_nor_host_name_ends_a_run(staging: Staging, settings: Settings) -> None:
    """A run lives as long as the process that began it, whatever its manifest says of that one and of its machine."""
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    environment = {**os.environ, "K1NB_HOME": str(settings.home)}
    with subprocess.Popen([sys.executable, "-c", BEGIN], env=environment, **pipes) as runner:  # type: ignore[call-overload] # keywords as a dict
        record = staging.staged(runner.stdout.readline().strip())
        assert record.manifest.process
        stepped = record.manifest.process.model_copy(update={"started": record.manifest.process.started - 3600})
        staging.update(record, process=stepped)
        staging.sweep()
        assert Archive(settings.paths).get(record.id).running
        staging.update(record, host="renamed")
        runner.stdin.close()
        runner.wait()
    assert not Archive(settings.paths).get(record.id).running
    staging.sweep()
    left = Archive(settings.paths).get(record.id)
    assert (left.reason, left.folder.parent) == (UNSEEN, settings.paths.records)
    assert [f.name for f in left.folder.iterdir() if f.name.startswith(".")] == []


def test_a_forked_child_keeps_no_run_alive(staging: Staging) -> None:
    """A child that was forked and never became another program has no share in its parent's lock."""
    record = staging.begin("tiny")
    (begun, begin), child = os.pipe(), os.fork()
    if not child:
        os.write(begin, b".")
        signal.pause()
    os.read(begun, 1)
    staging._lives[record.id].end()
    lives = life_of(record.folder)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    os.close(begun)
    os.close(begin)
    assert lives == "dead"


def test_a_damaged_run_in_staging_is_shown_and_kept(staging: Staging, settings: Settings) -> None:
    """A manifest that cannot be read makes its run UNKNOWN; nothing of it is removed, and others can begin."""
    record = staging.begin("tiny")
    (record.folder / "manifest.json").write_text("{")
    (record.folder / NOTEBOOK).write_text("precious")
    staging._lives[record.id].end()
    staging.begin("other")
    damaged = Archive(settings.paths).get(record.id)
    assert (damaged.verdict, damaged.running) == (Verdict.UNKNOWN, False)
    assert (damaged.folder / NOTEBOOK).read_text() == "precious"


def test_secrets_are_in_nothing_that_is_kept(settings: Settings) -> None:
    """Parameters, checks, outputs and the kernel's log are redacted before they are moved in."""
    secret = "correct-horse-battery"
    guarded = Staging(settings.model_copy(update={"github_webhook_secret": SecretStr(secret)}))
    record = guarded.update(
        guarded.begin("tiny"), parameters={"p": secret}, checks=(Check("a", Status.OK, f"saw {secret}"),)
    )
    (record.folder / "kernel.log").write_text(f"warning: {secret}")
    settled = guarded.settle(record, executed=executed(f"x = '{secret}'"), reason=f"broke at {secret}")
    kept = [f for f in settled.folder.rglob("*") if f.is_file()]
    assert len(kept) == 4
    assert not [f for f in kept if secret.encode() in f.read_bytes()]


def test_a_silent_kernel_leaves_no_log(staging: Staging) -> None:
    """An empty kernel log is not kept."""
    record = staging.begin("tiny")
    (record.folder / "kernel.log").write_text("\n")
    assert not staging.settle(record).files


def test_nothing_in_the_archive_is_overwritten(staging: Staging, settings: Settings) -> None:
    """A run whose id is taken stays in staging, and the record that has it stays as it was."""
    first = staging.settle(staging.begin("tiny"), reason="first")
    write_manifest(settings.paths.staging / first.id, first.manifest.changed(process=Process.own()))
    with pytest.raises(RecordError, match="already"):
        staging.settle(staging.staged(first.id), reason="second")
    assert Archive(settings.paths)._paths.staging.joinpath(first.id).is_dir()
    assert (first.folder / "manifest.json").read_text().count('"first"') == 1


def test_a_run_that_is_not_under_way_cannot_be_joined(staging: Staging) -> None:
    """A kernel that is told of a run nobody staged is refused with the variable's name."""
    with pytest.raises(RecordError) as error:
        staging.staged("20260301-040506-tiny-0a1b2c")
    assert "K1NB_RUN" in str(error.value.hint)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused(settings: Settings) -> None:
    """Records are not written into another user's folder."""
    settings.paths.records.mkdir(parents=True)
    os.chown(settings.paths.records, 12345, 12345)
    with pytest.raises(StorageError, match="another user"):
        Staging(settings).begin("tiny")


def test_the_staged_notebook_of_a_run_is_redacted_too(settings: Settings, gone: Process) -> None:
    """What papermill saved before a crash is redacted when it is moved in."""
    secret = "correct-horse-battery"
    guarded = Staging(settings.model_copy(update={"github_webhook_secret": SecretStr(secret)}))
    record = lose(guarded, guarded.begin("tiny"), gone)
    saved: Path = record.folder / NOTEBOOK
    saved.write_text(nbformat.writes(executed(f"x = '{secret}'")))
    guarded.sweep()
    assert secret not in (settings.paths.records / record.id / NOTEBOOK).read_text()


def test_a_file_that_still_holds_a_secret_is_not_kept(settings: Settings) -> None:
    """What nobody could mask, in a file or its name, never enters the archive, and the run does not pass."""
    secret = "c0rrect-horse"
    guarded = Staging(settings.model_copy(update={"github_webhook_secret": SecretStr(secret)}))
    record = guarded.update(guarded.begin("tiny"), checks=(OK,), verdict=Verdict.OK)
    (record.folder / "core.bin").write_bytes(b"\0\xff" + zlib.compress(secret.encode()))
    (record.folder / f"{secret}.txt").write_text("nothing")
    (record.folder / "other.txt").write_text("nothing")
    settled = guarded.settle(record, executed=executed("print()"))
    assert (settled.verdict, sorted(settled.files)) == (Verdict.INTERRUPTED, [NOTEBOOK, "other.txt"])
    assert settled.reason == "[redacted].txt, core.bin held a secret that could not be masked, and was not kept"
    assert sorted(f.name for f in files_in(settled.folder)) == [NOTEBOOK, "other.txt"]


def test_a_record_says_in_how_many_places_a_secret_was_masked(settings: Settings) -> None:
    """Masks in the manifest and in each file are counted, also those made while the run grew."""
    secret = "c0rrect-horse"
    guarded = Staging(settings.model_copy(update={"github_webhook_secret": SecretStr(secret)}))
    record = guarded.update(guarded.begin("tiny"), checks=(Check("a", Status.OK, f"{secret} {secret}"),))
    (record.folder / "kernel.log").write_text(f"[redacted] {secret}")
    settled = guarded.settle(record, reason="broke")
    assert settled.manifest.redactions == 4
    joined = guarded.join(settled, executed(f"x = '{secret}'"))
    assert joined.manifest.redactions == 5


@pytest.mark.parametrize("live", [True, False])
def test_a_secret_between_names_and_values_is_masked(settings: Settings, *, live: bool) -> None:
    """One that begins in a value and ends in the next name costs neither the record nor its verdict."""
    guarded = settings.model_copy(update={"github_webhook_secret": SecretStr("k1nb-canary-9f3a7c21")})
    record = Staging(guarded if live else settings).begin("tiny")
    split = {"a": "k1nb-canary-", "9f3a7c21": "x"}
    record = Staging(guarded if live else settings).update(record, versions=split, checks=(OK,), verdict=Verdict.OK)
    assert ("9f3a7c21" in (record.folder / "manifest.json").read_text()) is not live
    settled = Staging(guarded).settle(record)
    assert (settled.manifest.versions, settled.verdict) == ({"a": "[redacted]", "": "x"}, Verdict.OK)
    assert (settled.checks, settled.manifest.redactions) == ((OK,), 1)
    assert "9f3a7c21" not in (settled.folder / "manifest.json").read_text()


def test_of_two_runs_that_begin_under_one_id_one_is_told_so(settings: Settings) -> None:
    """The second one hears that the id is taken, and neither its manifest nor its folder gets into the first one's."""
    first = Staging(settings).begin("tiny", run="20260301-040506-tiny-0a1b2c")
    with pytest.raises(StorageError, match="there is a run 20260301-040506-tiny-0a1b2c already"):
        Staging(settings).begin("other", run=first.id)
    assert [f.name for f in settings.paths.staging.iterdir()] == [first.id]
    assert Staging(settings).staged(first.id).manifest == first.manifest
