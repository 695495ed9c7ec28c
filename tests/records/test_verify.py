"""The chain of seals, and what verification finds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest

from k1nb.checks import Check, Status, Verdict
from k1nb.config import Settings
from k1nb.errors import RecordError
from k1nb.records import Archive, Record
from k1nb.records._chain import Chain, SignedHead
from k1nb.records._head import export_head, read_head
from k1nb.records._minisign import PublicKey
from k1nb.records._record import MANIFEST, NOTEBOOK, read_manifest
from k1nb.records._staging import Staging
from k1nb.records._verification import Problem
from k1nb.records._verify import known_keys, verify, verify_record
from tests.records.test_minisign import minisign

OK = Check("a", Status.OK, "seen")
Seal = Callable[[], Record]


def executed() -> nbformat.NotebookNode:
    """Return an executed notebook."""
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])


@pytest.fixture
def seal(settings: Settings) -> Seal:
    """Return a function that seals one more record."""
    staging = Staging(settings)

    def one() -> Record:
        record = staging.update(staging.begin("tiny"), checks=(OK,), verdict=Verdict.OK)
        (record.folder / "kernel.log").write_text("a warning\n")
        return staging.settle(record, executed=executed())

    return one


def problems(settings: Settings) -> list[Problem]:
    """Return what verification finds."""
    return verify(settings.paths).problems


def test_what_was_sealed_verifies(settings: Settings, seal: Seal) -> None:
    """Records verify as they were sealed, one by one and as a chain, also with the stock program."""
    records = [seal() for _ in range(3)]
    found = verify(settings.paths)
    assert found.passes
    assert (found.records, found.files) == (3, 6)
    (chain,) = found.chains
    assert (chain.seals, chain.last, list(chain.begins)) == (3, 3, [1])
    for number, record in enumerate(records, 1):
        sealed = record.manifest.seal
        assert sealed
        assert (sealed.number, sealed.chain) == (number, chain.id)
        assert verify_record(settings.paths, record.id).passes
        key = settings.paths.records / f"{chain.id}.pub"
        stock = minisign("-Vm", record.folder / MANIFEST, "-p", key)
        assert f"record {number} of k1nb, OK of run {record.id}" in stock.stdout


def test_every_flipped_byte_is_found(settings: Settings, seal: Seal) -> None:
    """A byte that is changed anywhere in a record, its manifest or its signature is found, and the file is named."""
    record = seal()
    for file in sorted(record.folder.iterdir()):
        data = file.read_bytes()
        step = max(1, len(data) // 40)
        for place in [*range(0, len(data), step), len(data) - 1]:
            file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
            found = problems(settings)
            named = {p.file for p in found}
            assert named & {file.name, file.name.removesuffix(".minisig")}, (file.name, place, found)
            assert {p.run for p in found} <= {record.id, ""}
        file.write_bytes(data)
    assert not problems(settings)


def test_a_head_that_was_changed_is_found(settings: Settings, seal: Seal) -> None:
    """A byte that is changed in the head is found."""
    seal()
    (file,) = settings.paths.records.glob("*.head")
    data = file.read_bytes()
    for place in range(0, len(data), 9):
        file.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        assert file.name in {p.file for p in problems(settings)}


def test_files_that_are_missing_or_too_many_are_found(settings: Settings, seal: Seal) -> None:
    """A file that is gone and one that was put in are named."""
    record = seal()
    (record.folder / "kernel.log").unlink()
    (record.folder / "more.txt").write_text("x")
    assert {(p.run, p.file) for p in problems(settings)} == {(record.id, "kernel.log"), (record.id, "more.txt")}


def test_a_deleted_record_is_found(settings: Settings, seal: Seal) -> None:
    """A record that is gone from the middle leaves a hole, and one at the end the head, which says how many."""
    records = [seal() for _ in range(4)]
    shutil.move(records[1].folder, settings.paths.home / "x")
    (found,) = problems(settings)
    assert "seal 2 is missing" in found.what
    shutil.move(settings.paths.home / "x", records[1].folder)
    shutil.rmtree(records[3].folder)
    (found,) = problems(settings)
    assert "seal 4 is missing: the newest" in found.what


def test_reordered_records_are_found(settings: Settings, seal: Seal) -> None:
    """Two records that changed places are both named."""
    first, second = seal(), seal()
    aside = settings.paths.home / "x"
    shutil.move(first.folder, aside)
    shutil.move(second.folder, first.folder)
    shutil.move(aside, second.folder)
    assert {p.run for p in problems(settings) if p.file == MANIFEST} == {first.id, second.id}


def test_a_shortened_chain_needs_an_exported_head(settings: Settings, seal: Seal, tmp_path: Path) -> None:
    """The newest records with the head put back verify by themselves; the head that was exported tells of them."""
    seal()
    (head,) = settings.paths.records.glob("*.head")
    old = head.read_bytes()
    newest = seal()
    kept = Chain(settings.paths, settings.timings).head()
    assert kept
    (tmp_path / "head.json").write_text(kept.head.text)
    (tmp_path / "head.json.minisig").write_text(kept.signature)
    exported = read_head(tmp_path / "head.json", known_keys(settings.paths))
    assert verify(settings.paths, head=exported).passes
    shutil.rmtree(newest.folder)
    head.write_bytes(old)
    assert not problems(settings)
    (found,) = verify(settings.paths, head=exported).problems
    assert (found.run, "seal 2" in found.what) == (newest.id, True)
    seal()  # takes the number of the one that is gone
    assert [p.run for p in verify(settings.paths, head=exported).problems] == [newest.id]


def test_an_exported_head_that_was_changed_is_refused(settings: Settings, seal: Seal, tmp_path: Path) -> None:
    """A head whose statement is another than the signed one proves nothing and is refused."""
    seal()
    kept = Chain(settings.paths, settings.timings).head()
    assert kept
    (tmp_path / "head.json").write_text(kept.head.text.replace('"number":1', '"number":0'))
    (tmp_path / "head.json.minisig").write_text(kept.signature)
    with pytest.raises(RecordError, match="changed"):
        read_head(tmp_path / "head.json", known_keys(settings.paths))


@pytest.mark.parametrize("loss", ["removed", "damaged"])
def test_a_lost_key_begins_a_chain_that_says_so(settings: Settings, seal: Seal, loss: str) -> None:
    """Without its key a new chain begins and says why; the old one still verifies."""
    seal()
    key = settings.paths.keys / "records.key"
    if loss == "removed":
        key.unlink()
    else:
        key.write_text(key.read_text()[:-20])
    seal()
    seal()
    found = verify(settings.paths)
    assert found.passes
    old, new = sorted(found.chains, key=lambda chain: chain.seals)
    assert (old.seals, new.seals) == (1, 2)
    assert old.id in new.begins[1]
    assert ("not here any more" in new.begins[1]) is (loss == "removed")


@pytest.mark.parametrize("loss", ["removed", "damaged"])
def test_a_lost_head_is_gone_on_from_and_says_so(settings: Settings, seal: Seal, loss: str) -> None:
    """A head that is gone is found while it is, and the next seal goes on after the last one and says so."""
    seal()
    seal()
    (head,) = settings.paths.records.glob("*.head")
    if loss == "removed":
        head.unlink()
    else:
        head.write_text("x")
    assert [p.file for p in problems(settings)] == [head.name]
    seal()
    found = verify(settings.paths)
    assert found.passes
    assert set(found.chains[0].begins) == {1, 3}


def test_only_a_trusted_key_counts(settings: Settings, seal: Seal) -> None:
    """With a key of one's own nothing counts that another key has signed."""
    seal()
    (key,) = known_keys(settings.paths).values()
    other = PublicKey(b"\3" * 8, key.point)
    assert verify(settings.paths, keys=[key]).passes
    assert any("not here" in p.what for p in verify(settings.paths, keys=[other]).problems)


def test_a_line_end_counts(settings: Settings, seal: Seal) -> None:
    """A signature or a head with other line ends is not what was written."""
    record = seal()
    (head,) = settings.paths.records.glob("*.head")
    for file in (record.folder / "manifest.json.minisig", head):
        data = file.read_bytes()
        for other in (data.replace(b"\n", b"\r\n"), data[::-1].replace(b"\n", b"\r", 1)[::-1]):
            file.write_bytes(other)
            assert {p.file.removesuffix(".minisig") for p in problems(settings)} & {MANIFEST, head.name}
        file.write_bytes(data)
    assert not problems(settings)


def test_another_key_makes_no_chain_of_ours(settings: Settings, seal: Seal, tmp_path: Path) -> None:
    """Records that somebody signed with a key of his own are not ours, added to ours or in their place."""
    seal()
    forged = settings.model_copy(update={"home": tmp_path / "forged"})
    staging = Staging(forged)
    theirs = staging.settle(staging.update(staging.begin("tiny"), checks=(OK,), verdict=Verdict.OK))
    assert verify(forged.paths).passes
    for file in [*forged.paths.records.glob("*.pub"), *forged.paths.records.glob("*.head")]:
        shutil.copy(file, settings.paths.records)
    shutil.copytree(theirs.folder, settings.paths.records / theirs.id)
    assert any("none that this installation has written" in p.what for p in problems(settings))
    shutil.rmtree(settings.paths.records)
    shutil.copytree(forged.paths.records, settings.paths.records)
    assert any("nothing is here that the key" in p.what for p in problems(settings))
    shutil.rmtree(settings.paths.records)
    (key,) = known_keys(settings.paths).values()
    assert not verify(settings.paths, keys=[key]).passes


def test_what_lies_about_is_found(settings: Settings, seal: Seal) -> None:
    """Hidden files, links and folders within a record, and what lies beside the records, are named."""
    record = seal()
    outside = settings.paths.home / "outside"
    shutil.move(record.folder / "kernel.log", outside)
    (record.folder / "kernel.log").symlink_to(outside)
    (record.folder / ".hidden").write_text("x")
    (record.folder / "manifest.9.json.minisig").write_text("x")
    (record.folder / "more").mkdir()
    (settings.paths.records / "stray.txt").write_text("x")
    (settings.paths.records / ".stray").mkdir()
    (settings.paths.records / ".resume.lock").touch()  # which belongs there
    named = {p.file for p in problems(settings)}
    assert named == {"kernel.log", ".hidden", "more", "stray.txt", ".stray", "manifest.9.json.minisig"}


def test_a_renamed_earlier_manifest_is_found(settings: Settings) -> None:
    """An earlier manifest under another number is named."""
    staging = Staging(settings)
    folder = staging.join(staging.settle(staging.begin("tiny")), executed()).folder
    for end in ("", ".minisig"):
        (folder / f"manifest.1.json{end}").rename(folder / f"manifest.77.json{end}")
    assert "manifest.77.json" in {p.file for p in problems(settings)}


def test_what_a_killed_pruning_left_is_removed(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files that were pruned do not stay where the process was killed before it removed them."""
    staging = Staging(settings)
    record = staging.settle(staging.begin("tiny"), executed=executed())

    def cut(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("k1nb.records._chain._sync", cut)
        with pytest.raises(KeyboardInterrupt):
            staging.prune(record)
    assert list(settings.paths.staging.glob(".old-*/notebook.ipynb"))
    Staging(settings).sweep()
    assert not list(settings.paths.records.rglob(NOTEBOOK))
    assert verify(settings.paths).passes


def test_a_joined_notebook_is_sealed_again(settings: Settings) -> None:
    """A record that gets its notebook later is sealed once more, and its first manifest stays part of the chain."""
    staging = Staging(settings)
    record = staging.settle(staging.begin("tiny"))
    staging.settle(staging.begin("tiny"))
    joined = staging.join(record, executed())
    sealed = joined.manifest.seal
    assert sealed
    assert (sealed.number, sealed.earlier) == (3, 1)
    assert joined.executed
    found = verify(settings.paths)
    assert (found.passes, found.records, found.chains[0].seals) == (True, 2, 3)
    (joined.folder / "manifest.1.json").unlink()
    assert {(p.run, p.file) for p in problems(settings)} >= {(record.id, "manifest.1.json")}


@pytest.mark.parametrize("again", [False, True])
def test_what_is_cut_off_between_head_and_move_is_finished(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, again: bool
) -> None:
    """A run whose process ended when it was sealed and not yet moved is moved by the next, with its verdict."""
    staging = Staging(settings)
    record = staging.update(staging.begin("tiny"), checks=(OK,), verdict=Verdict.OK)
    if again:
        record = staging.settle(record)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "_move", cut)
        with pytest.raises(KeyboardInterrupt):
            _ = staging.join(record, executed()) if again else staging.settle(record)
    Staging(settings).sweep()
    (kept,) = Archive(settings.paths).list()
    assert (kept.verdict, kept.folder.parent) == (Verdict.OK, settings.paths.records)
    assert bool(kept.executed) is again
    assert verify(settings.paths).passes


def test_what_is_cut_off_before_the_head_is_sealed_anew(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose process ended before the head named it is not taken for sealed, and the chain has no hole."""
    staging = Staging(settings)
    record = staging.begin("tiny")

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Chain, "_write_head", cut)
        with pytest.raises(KeyboardInterrupt):
            staging.settle(record)
    assert read_manifest(record.folder).seal
    Staging(settings).sweep()
    found = verify(settings.paths)
    assert (found.passes, found.chains[0].seals) == (True, 1)


def test_parallel_processes_seal_one_chain(settings: Settings) -> None:
    """Processes that seal at the same time leave one chain without a hole."""
    code = (
        "from k1nb.config import load\nfrom k1nb.records._staging import Staging\n"
        "staging = Staging(load())\n"
        "for _ in range(5): staging.settle(staging.begin('tiny'))"
    )
    children = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(4)]
    assert [child.wait() for child in children] == [0] * 4
    found = verify(settings.paths)
    assert not found.problems
    assert (found.records, found.chains[0].seals, found.chains[0].last) == (20, 20, 20)


def test_an_unsealed_record_is_no_proof(settings: Settings, seal: Seal) -> None:
    """A record without a seal is said to prove nothing."""
    record = seal()
    manifest = record.manifest.changed(seal=None)
    (record.folder / MANIFEST).write_text(manifest.model_dump_json())
    assert any("no seal" in p.what for p in problems(settings))


def test_keys_and_heads_are_private(settings: Settings, seal: Seal) -> None:
    """The secret key is for its owner alone and in no record, and a head's file is one text."""
    seal()
    key = settings.paths.keys / "records.key"
    assert key.stat().st_mode & 0o077 == 0
    assert settings.paths.keys.stat().st_mode & 0o077 == 0
    (head,) = settings.paths.records.glob("*.head")
    (public,) = known_keys(settings.paths).values()
    assert SignedHead.parse(head.read_text(), public).head.number == 1
    assert NOTEBOOK in seal().files


def test_a_copy_without_the_secret_key_exports_the_head_that_is_there(settings: Settings, seal: Seal) -> None:
    """The head that lies with copied records is exported as it is signed; what is lacking is named exactly."""
    seal()
    kept = seal().manifest.seal
    assert kept
    out = settings.paths.home / "head.json"
    (settings.paths.keys / "records.key").unlink()
    assert export_head(settings, out).number == 2
    assert verify(settings.paths, head=read_head(out, known_keys(settings.paths))).passes
    assert (
        "Signature and comment signature verified"
        in minisign("-Vm", out, "-p", settings.paths.records / f"{kept.chain}.pub").stdout
    )
    head, key = (settings.paths.records / f"{kept.chain}.{end}" for end in ("head", "pub"))
    told = []
    for spoil in (lambda: head.write_text(head.read_text().replace(":2,", ":3,")), key.unlink, head.unlink):
        spoil()
        with pytest.raises(RecordError) as caught:
            export_head(settings, out)
        told.append(caught.value.message)
    assert told[0].endswith(f"{kept.chain}.head: it was changed after it was signed")
    assert told[1].endswith(f"its public key {kept.chain}.pub is not here")
    assert "ID.head is missing" in told[2]
