"""Bad input, all of it in one place: each ends with one line that says what is wrong, a hint, and nothing half-written.

Where there is a command it is run as a user would; what workers alone read is given to their functions.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from k1nb.config import Settings
from k1nb.device import Device, Inventory
from k1nb.errors import ArtifactError, CommitError, ImageError, K1Error, UsageError
from k1nb.firmware import (
    SAMPLE_PROJECT,
    ArtifactStore,
    Ledger,
    Repository,
    build_folder,
    ensure_sample_repository,
    read_image,
    resolve_commit,
)
from k1nb.records import shipped
from tests.cli.test_app import k1nb
from tests.conftest import FreePort
from tests.device import _images
from tests.impostors import ANSWERS, DEEP, NOWHERE, listening
from tests.records.conftest import check, write
from tests.refusals import Done, Words, assert_refused, assert_tells, files, full_disk, limited, listing, may_mount

# Settings


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("METRICS_PORT", "x", "integer"),
        ("METRICS_PORT", "0", "1"),
        ("METRICS_PORT", "70000", "65535"),
        ("K1NB_EXPORTER_PORT", "9108.5", "integer"),
        ("LOG_LEVEL", "loud", "debug"),
        ("CONDUCTOR_SERVER_URL", "ftp://127.0.0.1/api", "http"),
        ("CONDUCTOR_SERVER_URL", "127.0.0.1:8080", "http"),
        ("CONDUCTOR_SERVER_URL", "http://127.0.0.1:99999/api", "Port out of range"),
        ("CONDUCTOR_SERVER_URL", "http://127.0.0.1:x/api", "Port"),
        ("CONDUCTOR_SERVER_URL", "http://[::1/api", "http"),
        ("K1NB_TARGET", "moon", "local"),
        ("K1NB_TIMINGS_SCALE", "nan", "less than or equal to 100"),
        ("K1NB_TIMINGS_SCALE", "inf", "100"),
        ("K1NB_TIMINGS_SCALE", "-1", "greater"),
        ("K1NB_SERVER_HEAP_MB", "1", "256"),
        ("K1NB_REPOSITORIES", "{", "JSON"),
        ("K1NB_REPOSITORIES", "[1]", "dictionary"),
        pytest.param("K1NB_REPOSITORIES", DEEP, "JSON", id="deep"),
        ("K1NB_HOEM", "/tmp/x", "K1NB_HOME"),  # noqa: S108 - nothing is written there
        ("K1NB_XYZZY", "1", "known are"),
    ],
)
def test_a_wrong_setting_in_the_environment(settings: Settings, name: str, value: str, wanted: str) -> None:
    """A wrong or unknown variable is named with its value and what was wanted, before anything is done."""
    before = listing(settings.home)
    done = k1nb(settings, "device", "list", **{name: value})
    assert_refused(done, 2, name, wanted)
    assert listing(settings.home) == before


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("metrics_port = ", "k1nb.toml"),
        ("metrics_prot = 9091", "did you mean metrics_port"),
        ('metrics_port = "many"', "'many'"),
        ("metrics_port = [9091]", "metrics_port"),
        ("[metrics_port]\na = 1", "metrics_port"),
        ("repositories = 3", "repositories"),
        ("repositories = {a = 3}", "repositories"),
        ('conductor_server_url = "nowhere"', "http://127.0.0.1:8080/api"),
        ("timings_scale = nan", "timings_scale"),
        ("log_level = 3", "log_level"),
        pytest.param("a = " + DEEP, "k1nb.toml", id="deep"),
        (b"\xff\xfe\x00", "k1nb.toml"),
        (None, "k1nb.toml"),
    ],
)
def test_a_wrong_settings_file(settings: Settings, text: str | bytes | None, said: str) -> None:
    """A settings file that is damaged, a folder, or holds a wrong or unknown key is named with the key."""
    file = settings.paths.settings_file
    file.unlink()
    if text is None:
        file.mkdir()
    else:
        file.write_bytes(text.encode() if isinstance(text, str) else text)
    before = listing(settings.home)
    assert_refused(k1nb(settings, "device", "list"), 2, str(file), said)
    assert listing(settings.home) == before


def test_a_secret_is_not_quoted(settings: Settings) -> None:
    """A secret of the wrong type is refused without being shown."""
    settings.paths.settings_file.write_text("github_webhook_secret = 271828182845\n")
    done = k1nb(settings, "device", "list")
    assert_refused(done, 2, "github_webhook_secret")
    assert "271828182845" not in done.stderr


@pytest.mark.parametrize("name", ["K1NB_HOME", "K1NB_CACHE", "ARTIFACT_STORAGE_PATH"])
@pytest.mark.parametrize("below", ["file", "file/deep/er", "/dev/full"])
def test_a_home_below_a_file(settings: Settings, tmp_path: Path, name: str, below: str) -> None:
    """A folder of ours that is a file, or lies below one, is refused for reading as for writing."""
    (tmp_path / "file").write_text("mine")
    before = listing(tmp_path)
    done = k1nb(settings, "records", "list", **{name: str(tmp_path / below)})
    assert_refused(done, 2, name, below, "folder")
    assert listing(tmp_path) == before


ADD = ("device", "add", "one", "--mac", "02:00:00:00:00:01", "--address", NOWHERE)


def test_a_home_that_nobody_can_write(settings: Settings) -> None:
    """A home where no folder can be made is refused by what writes, in the system's words."""
    assert_refused(k1nb(settings, *ADD, K1NB_HOME="/proc/k1nb"), 1, "/proc/k1nb", "K1NB_HOME")


# Words of the command line


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nonsense",), "nonsense"),
        (("records", "list", "--jsn"), "--json"),
        (("records", "show"), "RUN"),
        (("records", "show", "20990101-000000-nothing-000000"), "20990101"),
        (("device", "info", "nobody"), "nobody"),
        (("device", "remove", "nobody"), "nobody"),
        (("device", "simulate", "nobody"), "nobody"),
        ((*ADD, "--http-port", "70000"), "65535"),
        ((*ADD, "--role", "moon"), "moon"),
        (("device", "add", "-x", "--mac", "02:00:00:00:00:01", "--address", NOWHERE), "-x"),
        (("device", "add", "../x", "--mac", "02:00:00:00:00:01", "--address", NOWHERE), "../x"),
        (("device", "add", "one", "--mac", "02:00", "--address", NOWHERE), "02:00"),
        (("device", "add", "one", "--mac", "02:00:00:00:00:01", "--address", "http://x/"), "http://x/"),
        (("device", "add", "one", "--mac", "02:00:00:00:00:01", "--address", "300.1.1.1"), "300.1.1.1"),
        (("up", "nothing"), "nothing"),
        (("logs", "../conductor"), "../conductor"),
        (("executions", "start", "firmware-build", "-i", "commit_sha"), "NAME=VALUE"),
        (("executions", "start", "firmware-build", "-i", "=x"), "NAME=VALUE"),
        (("executions", "start", "firmware-build", "-i", "repo=a", "-i", "repo=b"), "repo is given twice"),
        (("schedule", "pause", "a/b"), "no name of a schedule"),
        (("schedule", "resume", "a b"), "no name of a schedule"),
        (("schedule", "remove", ".."), "no name of a schedule"),
        (("records", "verify", "--key", "no_such.pub"), "no_such.pub"),
        (("records", "verify", "--head", "no_such.head"), "no_such.head"),
        (("executions", "list", "--hours", "0"), "--hours"),
        (("executions", "list", "--hours", "99999999999"), "--hours"),
        (("executions", "prune", "--days", "1e300"), "--days"),
        (("executions", "prune", "--days", "nan"), "--days"),
        (("run", "no_such"), "no_such"),
        (("run", "./no_such.ipynb"), "no_such.ipynb"),
        (("run", "daily_health", "-p", "devise=x"), "did you mean device"),
        (("run", "daily_health", "-p", "device"), "NAME=VALUE"),
        (("run", "daily_health", "-p", "hours=1", "-p", "hours=2"), "hours is given twice"),
        (("run", "daily_health", "-p", "hours=soon"), "wants int, not 'soon'"),
        (("run", "daily_health", "-p", "hours=2.5"), "wants int, not '2.5'"),
        (("run", "daily_health", "-p", "strict=perhaps"), "wants true or false, not 'perhaps'"),
        (("run", "daily_health", "--apply", "plan-000000000000"), "applies nothing"),
    ],
    ids=lambda given: " ".join(given) if isinstance(given, tuple) else "",
)
def test_wrong_words(settings: Settings, words: Words, said: str) -> None:
    """Words that cannot be meant are named, and nothing is begun."""
    before = listing(settings.home)
    assert_refused(k1nb(settings, *words), 2, said)
    assert listing(settings.home) == before


# Parameters of notebooks


def papermill(settings: Settings, out: Path, *words: str) -> Done:
    """Run firmware_deploy by plain papermill."""
    source = str(shipped()["firmware_deploy"])
    command = [sys.executable, "-m", "papermill", source, str(out), "--no-progress-bar", *words]
    environment = {**os.environ, "K1NB_HOME": str(settings.home)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=240)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("-p", "commit_sha", "1234567"), "use -r commit_sha"),
        (("-p", "comit_sha", "abcdef0"), "did you mean commit_sha"),
    ],
    ids=["ill-typed", "unknown"],
)
def test_plain_papermill_with_wrong_parameters(settings: Settings, tmp_path: Path, words: Words, said: str) -> None:
    """The connect cell refuses what papermill's -p has turned into a number, and what nobody declared."""
    before = listing(settings.home)
    done = papermill(settings, tmp_path / "out.ipynb", *words)
    assert done.returncode != 0
    assert "ParameterError" in done.stderr
    assert said in done.stderr
    assert listing(settings.home) == before


def test_a_commit_of_digits_stays_text(settings: Settings) -> None:
    """`k1nb run -p commit_sha=1234567` hands the notebook a text, and its record says so."""
    done = k1nb(settings, "run", "firmware_deploy", "-p", "commit_sha=1234567", "-p", "repo=none", "--json")
    record = json.loads(done.stdout)
    assert done.returncode == 1
    assert record["parameters"]["commit_sha"] == "1234567"
    assert record["verdict"] != "OK"
    assert "Traceback" not in done.stderr


# Files that are not what they should be

NOTEBOOKS: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "text": b"# just words",
    "binary": b"\x89PNG\r\n\x1a\n\xff",
    "list": b"[]",
    "no-cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}',
    "odd-cells": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [1]}',
    "odd-source": b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"metadata": {}, "source": [1]}]}',
    "deep": DEEP.encode(),
}


@pytest.mark.parametrize("words", [("records", "import"), ("run",)], ids=" ".join)
@pytest.mark.parametrize("kind", NOTEBOOKS)
def test_a_notebook_that_is_none(settings: Settings, tmp_path: Path, words: Words, kind: str) -> None:
    """A file that is missing or no notebook is named, and leaves no record."""
    file = tmp_path / "given.ipynb"
    content = NOTEBOOKS[kind]
    if content is not None:
        file.write_bytes(content)
    before = listing(settings.home)
    code = 2 if kind == "missing" and words == ("run",) else 1
    assert_refused(k1nb(settings, *words, str(file)), code, str(file))
    assert listing(settings.home) == before


MANIFEST = {"run": "20260101-000000-x-000000", "notebook": "x", "started_at": "2026-01-01T00:00:00Z"}


@pytest.mark.parametrize(
    ("carried", "said"),
    [
        (MANIFEST | {"run": "../../x"}, "run"),
        (MANIFEST | {"format": 2}, "format"),
        (MANIFEST | {"verdict": "GREAT"}, "verdict"),
        (MANIFEST | {"verdict": "OK"}, "add up"),
        (MANIFEST | {"extra": 1}, "extra"),
        ("nonsense", "manifest"),
    ],
)
def test_a_notebook_that_carries_a_false_manifest(
    settings: Settings, tmp_path: Path, carried: object, said: str
) -> None:
    """An executed notebook whose manifest is none is refused; its run's id never becomes a path elsewhere."""
    from k1nb.records import MIME

    output = nbformat.v4.new_output("display_data", {MIME: carried})
    cell = nbformat.v4.new_code_cell("1", outputs=[output])
    file = tmp_path / "given.ipynb"
    file.write_text(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])))
    before = listing(tmp_path)
    assert_refused(k1nb(settings, "records", "import", str(file)), 1, said)
    assert listing(tmp_path) == before


WORKFLOW = '{"name": "w", "version": 1, "tasks": []}'


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("tasks/t.json", '{\n "name": ,\n}', "t.json:2"),
        ("tasks/t.json", '{"nam": "t"}', "'name'"),
        ("tasks/t.json", '["t"]', "object"),
        ("tasks/t.json", '{"name": "t", "name": "u"}', "twice"),
        pytest.param("tasks/t.json", DEEP, "t.json", id="deep"),
        ("tasks/t.json", "\udcff", "t.json"),
        ("workflows/w.json", WORKFLOW.replace("1", '"1"'), "'version'"),
        ("workflows/w.json", WORKFLOW.replace("[]", "{}"), "list of tasks"),
        ("workflows/w.json", WORKFLOW.replace("[]", '[{"name": "t"}]'), "taskReferenceName"),
        ("workflows/w.json", "", "w.json:1"),
        pytest.param("workflows/w.json", WORKFLOW.replace("1", "1" * 5000), "w.json", id="digits"),
        ("other.json", "{}", "tasks and workflows"),
        ("", "", "tasks and workflows"),
    ],
)
def test_a_malformed_definition(settings: Settings, tmp_path: Path, name: str, text: str, said: str) -> None:
    """A definition that is no JSON or lacks what makes it one is named with its file and line."""
    folder = tmp_path / "data"
    if name:
        (folder / name).parent.mkdir(parents=True)
        (folder / name).write_text(text, encoding="utf-8", errors="surrogateescape")
    assert_refused(k1nb(settings, "definitions", "lint", str(folder)), 1, str(folder), said)


INVENTORIES = ["", "[]", "{", '{"format": 2}', '{"format": 1, "devices": [{"name": "x"}]}']


@pytest.mark.parametrize("text", [*INVENTORIES, pytest.param(DEEP, id="deep")])
def test_a_damaged_inventory(settings: Settings, text: str) -> None:
    """An inventory that cannot be read is named and left as it is, also by what would change it."""
    file = Inventory(settings.paths).file
    file.parent.mkdir()
    file.write_text(text)
    before = files(settings.home)
    for words in (("device", "list"), ADD):
        assert_refused(k1nb(settings, *words), 1, str(file), "left as it is")
    assert files(settings.home) == before


def test_a_damaged_ledger(settings: Settings) -> None:
    """A ledger that is no database is named and left as it is."""
    settings.paths.ledger.write_bytes(b"SQLite format 3\0" + b"nonsense" * 100)
    before = files(settings.home)
    with pytest.raises(K1Error) as error:
        Ledger(settings.paths).begin("02:00:00:00:00:01", "a" * 64, "e", "test")
    assert_tells(error.value, str(settings.paths.ledger), "backup")
    assert files(settings.home) == before


# Devices that are none


@pytest.mark.parametrize("kind", ANSWERS)
def test_a_device_that_is_none(settings: Settings, free_port: FreePort, kind: str) -> None:
    """Whatever answers in a device's place, in whatever way, ends soon with its name, its address and what it did."""
    answer, said = ANSWERS[kind]
    with listening(answer) as port:
        Inventory(settings.paths).add(Device("odd", "02:00:00:00:00:01", NOWHERE, port, free_port()))
        before = listing(settings.home)
        done = k1nb(settings, "device", "info", "odd", "--json", K1NB_TIMINGS_SCALE="0.1")
    assert_refused(done, 1, f"odd ({NOWHERE}:{port})", said)
    assert listing(settings.home) == before


# Images that are none


def _changed(at: int, value: int | None = None) -> bytes:
    data = bytearray(_images.image())
    data[at] = data[at] ^ 0xFF if value is None else value
    return bytes(data)


IMAGES: dict[str, bytes] = {
    "empty": b"",
    "text": b"firmware, honestly\n" * 5000,
    "elf": b"\x7fELF\x01\x01\x01" + bytes(70_000),
    "truncated": _images.image()[:-100],
    "head-only": _images.image()[:24],
    "other-chip": _images.image(chip=0),
    "flipped": _changed(40_000),
    "flipped-sum": _changed(-1),
}


@pytest.mark.parametrize("kind", IMAGES)
def test_an_image_that_is_none(settings: Settings, tmp_path: Path, kind: str) -> None:
    """Bytes that are no image for this chip are refused by the reader and by the store, which keeps nothing of them."""
    file = tmp_path / "firmware.bin"
    file.write_bytes(IMAGES[kind])
    with pytest.raises(ImageError) as read:
        read_image(IMAGES[kind])
    assert_tells(read.value)
    before = listing(settings.home)
    with pytest.raises(ImageError) as put:
        ArtifactStore(settings.paths).put(file, version="a" * 40, environment="e", repo="r", branch="main")
    assert_tells(put.value)
    assert listing(settings.home) == before


def test_an_image_that_is_missing(settings: Settings, tmp_path: Path) -> None:
    """A file that is not there is named."""
    with pytest.raises(ArtifactError) as error:
        ArtifactStore(settings.paths).put(tmp_path / "no.bin", version="a" * 40, environment="e", repo="r", branch="b")
    assert_tells(error.value, "no.bin")


# Commits, branches and build folders


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    """Return a sample repository with one commit."""
    from k1nb.paths import Paths

    home = tmp_path_factory.mktemp("sample")
    return ensure_sample_repository(Paths(home, home / "cache", home / "artifacts"))


@pytest.mark.parametrize(
    "commit_sha",
    ["", "--upload-pack=x", "-n", "HEAD", "main", "0" * 40, "0" * 7, "ABCDEF0", "abcdef", "abcdef0" * 6, "abcdef0\n"],
)
def test_a_commit_that_is_none(sample: Repository, commit_sha: str) -> None:
    """What is no commit's name is refused before git sees it."""
    with pytest.raises(CommitError) as error:
        resolve_commit(sample, commit_sha)
    assert_tells(error.value, repr(commit_sha), "7 to 40 lower-case hex digits")


@pytest.mark.parametrize("branch", ["-x", "--all", "--exec=x", "../main", "", "no such", "main\n"])
def test_a_branch_that_is_none(sample: Repository, branch: str) -> None:
    """A branch that is not there is named, however it is spelt; git never takes it for an option."""
    head = subprocess.run(["git", "-C", str(sample.path), "rev-parse", "HEAD"], capture_output=True, check=True)
    before = listing(sample.path)
    with pytest.raises(CommitError) as error:
        resolve_commit(sample, head.stdout.decode().strip(), branch=branch)
    assert_tells(error.value, repr(branch))
    assert listing(sample.path) == before


@pytest.mark.parametrize("name", ["null", "", ".", "..", "../x", "/etc", "a/b", "a\0b", "-rf", "None"])
def test_a_build_folder_that_is_none(settings: Settings, name: str) -> None:
    """A build folder that would lie outside the build root is refused."""
    with pytest.raises(UsageError) as error:
        build_folder(settings.paths, name)
    assert_tells(error.value, repr(name), str(settings.paths.builds))


# Writes that fail

PUT = """
from k1nb.cli import _output
from k1nb.config import load
from k1nb.errors import K1Error
from k1nb.firmware import ArtifactStore, Ledger
from pathlib import Path
import sys
paths = load().paths
try:
    if sys.argv[1] == "ledger":
        Ledger(paths).begin("02:00:00:00:00:01", "a" * 64, "second", "test" * 5000)
    else:
        ArtifactStore(paths).put(Path(sys.argv[1]), version="a" * 40, environment="e", repo="r", branch="main")
except K1Error as error:
    _output.fail(error.message, error.hint, error.exit_code)
"""


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """Return a file with a good image of 70,000 bytes."""
    file = tmp_path / "firmware.bin"
    file.write_bytes(_images.image())
    return file


def _notebook(tmp_path: Path) -> Path:
    return write(tmp_path, check("OK"), f"print('x' * 100_000)  # {'x' * 3000}")


def _executed(file: Path) -> Path:
    """Have a notebook look as if its first cell had been run."""
    notebook = nbformat.read(file, as_version=4)
    notebook.cells[1].execution_count = 1
    file.write_text(nbformat.writes(notebook))
    return file


LIMITED = {"inventory": 16, "artifact": 1000, "ledger": 1000, "record": 16, "import": 2000}


def _command(what: str, tmp_path: Path, image: Path) -> Words:
    """Return the program that writes such a thing."""
    if what in ("artifact", "ledger"):
        return ("-c", PUT, "ledger" if what == "ledger" else str(image))
    cli: dict[str, Words] = {
        "inventory": ADD,
        "record": ("run", str(_notebook(tmp_path))),
        "import": ("records", "import", str(_executed(_notebook(tmp_path)))),
    }
    return ("-m", "k1nb", *cli[what])


@pytest.mark.parametrize("what", LIMITED)
def test_a_write_that_fails(settings: Settings, tmp_path: Path, image: Path, what: str) -> None:
    """A file that cannot be written is named, and what was there before is what is there after."""
    before = files(settings.home)
    done = limited(settings, _command(what, tmp_path, image), LIMITED[what])
    assert_refused(done, 1, str(settings.home))
    assert files(settings.home) == before
    assert not list(settings.home.rglob("*.tmp"))
    left = settings.paths.staging
    assert not left.exists() or not list(left.iterdir())


def test_a_ledger_that_cannot_grow(settings: Settings) -> None:
    """A row that does not fit is refused; the rows before it are all there, and the next one fits again."""
    ledger = Ledger(settings.paths)
    first = ledger.begin("02:00:00:00:00:01", "a" * 64, "first", "test")
    done = limited(settings, ("-c", PUT, "ledger"), settings.paths.ledger.stat().st_size)
    assert_refused(done, 1, str(settings.paths.ledger))
    assert ledger.history() == [first]
    assert ledger.verify() == 1
    assert ledger.begin("02:00:00:00:00:01", "a" * 64, "third", "test").id > first.id


def test_a_record_that_cannot_be_completed(settings: Settings, tmp_path: Path) -> None:
    """A run whose notebook does not fit on the disk ends 1, and its record is INTERRUPTED, not a green half."""
    done = limited(settings, ("-m", "k1nb", "run", str(_notebook(tmp_path))), 20_000)
    assert (done.returncode, done.stderr) == (1, "")
    (record,) = json.loads(k1nb(settings, "records", "list", "--json").stdout)
    assert (record["verdict"], str(settings.home) in record["reason"]) == ("INTERRUPTED", True)
    assert not list(settings.home.rglob("*.tmp"))


@pytest.mark.parametrize("what", ["artifact", "ledger"] if may_mount() else [])
def test_a_disk_that_is_full(settings: Settings, tmp_path: Path, image: Path, what: str) -> None:
    """On a file system that is full the same is true as below a limit."""
    with full_disk(settings, kib=16 if what == "ledger" else 48):
        before = files(settings.home)
        done = subprocess.run(
            [sys.executable, *_command(what, tmp_path, image)],
            env={**os.environ, "K1NB_HOME": str(settings.home)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert_refused(done, 1, str(settings.home))
        assert files(settings.home) == before


@pytest.mark.parametrize("words", [("device", "list"), ("device", "list", "--json"), ("--help",)])
def test_an_output_that_cannot_be_written(settings: Settings, words: Words) -> None:
    """Where stdout leads onto a full disk a command ends 1 and says so; where it is closed there is nobody to tell."""
    command = [sys.executable, "-m", "k1nb", *words]
    environment = {**os.environ, "K1NB_HOME": str(settings.home)}
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(command, env=environment, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert_refused(subprocess.CompletedProcess(command, done.returncode, "", done.stderr), 1, "No space left")
    closed = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *command], env=environment, capture_output=True, text=True, check=False
    )
    assert (closed.returncode, closed.stderr) == (0, "")


# What only the server knows


def test_a_workflow_that_is_none(settings: Settings, conductor_url: str) -> None:
    """An unknown workflow is refused in the server's words, and nothing is started."""
    done = k1nb(settings, "executions", "start", "no-such-workflow", CONDUCTOR_SERVER_URL=conductor_url)
    assert_refused(done, 1, "no-such-workflow")


def test_a_commit_that_is_none_fails_its_build(line: Settings) -> None:
    """A build of what is no commit fails for good at its first task, with the reason in it; nothing is stored."""
    ensure_sample_repository(line.paths)
    before = ArtifactStore(line.paths).list()
    words = ("-i", f"repo={SAMPLE_PROJECT}", "-i", "branch=-x", "-i", "commit_sha=--upload-pack=x")
    done = k1nb(line, "executions", "start", "firmware-build", *words, "--follow", "--json")
    execution = json.loads(done.stdout)
    assert (done.returncode, execution["status"]) == (1, "FAILED")
    assert "7 to 40 lower-case hex digits" in execution["reason"]
    assert "Traceback" not in done.stderr
    assert ArtifactStore(line.paths).list() == before
