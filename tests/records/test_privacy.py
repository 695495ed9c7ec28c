"""A canary: a secret that leaks in every way during one real run is in nothing that is kept."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event
from urllib.parse import quote, quote_plus

import nbformat
import pytest
from papermill.exceptions import PapermillExecutionError

from k1nb.checks import Verdict
from k1nb.config import Settings, load
from k1nb.errors import ParameterError, RecordError
from k1nb.records import Archive, import_notebook, run_notebook
from tests.records.conftest import WriteNotebook, check
from tests.records.test_engine import execute

CANARY = "c4nary-Bird<&\"9'/ö 7>-and-a-long-end"
WORD = "word = run.settings.github_webhook_secret.get_secret_value()"
NOISE = re.compile(r"\\*(?:\x1b|\\u001b|\\x1b)\[[0-9;]*m|[\s│┃|]|\\+n|\",\"")

LEAKS = r"""
import base64, html, json, os, struct, subprocess, sys, time, zlib
from urllib.parse import quote, quote_plus
word = run.settings.github_webhook_secret.get_secret_value()
raw, half = word.encode(), len(word) // 2

print(word, repr(word), ascii(word), json.dumps(word), json.dumps(json.dumps({"w": word})), html.escape(word))
print("https://x.example/?a=" + quote(word, safe=""), quote_plus(word), quote(quote(word)))
[word, {word: 1}]

print(raw, raw.hex(), raw.hex().upper(), base64.urlsafe_b64encode(raw).decode())
print(*(base64.b64encode(b"k:"[:n] + raw + b"end").decode() for n in range(3)))
print(base64.encodebytes(raw * 9).decode())

print(word[:half], end="", flush=True)
time.sleep(0.2)
print(word[half:], flush=True)

print(word[:half], end="", flush=True)
print("between", file=sys.stderr, flush=True)
print(word[half:], flush=True)

for fd, part in ((1, word[:half]), (1, word[half:] + chr(10)), (2, word + chr(10))):
    os.write(fd, part.encode())
for fd in (1, 2):
    code = f"import os, sys; os.write({fd}, sys.argv[1].encode() + bytes([10]))"
    subprocess.run([sys.executable, "-S", "-c", code, word], check=True)

from rich.console import Console
from rich.table import Table
table = Table("it")
table.columns[0].overflow = "fold"
table.add_row(word)
Console(width=20, file=sys.stdout, force_terminal=True, force_jupyter=False).print(table)

def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
head = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
pixel = chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")
for said in (chunk(b"tEXt", b"Comment\0" + raw), chunk(b"zTXt", b"Comment\0\0" + zlib.compress(raw))):
    picture = base64.b64encode(head + said + pixel).decode()
    display({"image/png": picture, "text/plain": "a picture"}, raw=True)
    display({"text/html": f"<img src='data:image/png;base64,{picture}'>"}, raw=True)

view = {"model_id": word, "version_major": 2, "version_minor": 0}
display({"application/vnd.jupyter.widget-view+json": view, "text/plain": [word]}, raw=True)
drawing = f"<svg><text>{html.escape(word)}</text></svg>"
display({"image/svg+xml": drawing}, raw=True, metadata={word: {"a": word}})

from k1nb.checks import Check, Status
run.add(Check(word, Status.OK, word, word, word))

# CANARY
x = r'''CANARY'''

def broken(it):
    raise ValueError(f"no {it}")
try:
    broken(word)
except ValueError:
    get_ipython().showtraceback()

broken(word)
"""
CELLS = re.split(r"\n\n(?=\S)", LEAKS.strip())


def spelt(secret: str) -> set[str]:
    """Return the spellings to look for, made here and not by what is tested."""
    raw = secret.encode()
    escaped = json.dumps(secret)[1:-1]
    found = {secret, repr(secret)[1:-1], ascii(secret)[1:-1], repr(raw)[2:-1], escaped, json.dumps(escaped)[1:-1]}
    found |= {json.dumps(secret, ensure_ascii=False)[1:-1], html.escape(secret), html.escape(secret, quote=False)}
    found |= {
        quote(secret),
        quote(secret, safe=""),
        quote_plus(secret),
        quote(quote(secret)),
        raw.hex(),
        raw.hex().upper(),
    }
    found |= {re.sub("%..", lambda m: m[0].lower(), spelling) for spelling in (quote(secret), quote_plus(secret))}
    for shift in range(3):
        text = base64.b64encode(b"\0" * shift + raw).decode().rstrip("=")[shift + 1 : -1]
        found |= {text, text.replace("+", "-").replace("/", "_")}
    return found


def leaking(folder: Path, secret: str) -> set[str]:
    """Return the files below a folder that hold a spelling, as they are or read without colours, frames and folds."""
    wanted = spelt(secret)
    bare = {NOISE.sub("", spelling) for spelling in wanted}
    found = set()
    for file in (file for file in folder.rglob("*") if file.is_file()):
        try:
            text = file.read_bytes().decode("utf-8", "replace")
        except FileNotFoundError:
            continue  # moved while a run goes on
        if any(spelling in text for spelling in wanted) or any(spelling in NOISE.sub("", text) for spelling in bare):
            found.add(file.name)
    return found


@contextmanager
def watched(folder: Path, secret: str) -> Iterator[set[str]]:
    """Look at every file below a folder again and again; yield the names of those that ever held a spelling."""
    over, found = Event(), set[str]()

    def look() -> None:
        while not over.wait(0.05):
            with suppress(FileNotFoundError):
                found.update(leaking(folder, secret))

    with ThreadPoolExecutor(1) as pool:
        looking = pool.submit(look)
        try:
            yield found
        finally:
            over.set()
        looking.result()


@pytest.fixture
def guarded(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Return settings with the canary as one of their secrets."""
    assert settings.github_webhook_secret is None
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", CANARY)
    return load()


def test_a_secret_is_in_no_file_however_it_leaks(guarded: Settings, write_notebook: WriteNotebook) -> None:
    """Raised, printed by a child, folded, split, coded, in pictures and widgets: it is in no file, and all is said."""
    file = write_notebook(
        *(cell.replace("CANARY", CANARY) for cell in CELLS), parameters=f'device: str = ""  # not {CANARY}'
    )
    notebook = nbformat.read(file, as_version=4)
    state = {"state": {"a": {"state": {"value": CANARY, CANARY: [CANARY[:9], CANARY[9:]]}}}, "version_major": 2}
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": state}
    notebook.cells[0].source = f"# Tiny, not {CANARY}\n![it](attachment:it.png)"
    notebook.cells[0].attachments = {"it.png": {"image/png": base64.b64encode(b"\x89PNG" + CANARY.encode()).decode()}}
    notebook.cells[0].id, notebook.cells[0].metadata.tags = "plain", [CANARY, f"{CANARY}"]
    file.write_text(nbformat.writes(notebook), encoding="utf-8")
    assert leaking(file.parent, CANARY) >= {file.name}
    with watched(guarded.home, CANARY) as seen:
        record = run_notebook(guarded, str(file), {})
    assert seen == set()
    assert (record.verdict, record.passes) == (Verdict.INTERRUPTED, False)
    assert "ValueError: no [redacted]" in record.reason
    assert leaking(guarded.home, CANARY) == set()
    kept = nbformat.read(record.folder / "notebook.ipynb", as_version=4)
    nbformat.validate(kept)
    assert {path.name for path in record.folder.iterdir()} >= {"manifest.json", "notebook.ipynb"}
    text = "".join(path.read_text() for path in record.folder.iterdir())
    assert record.manifest.redactions == text.count("[redacted]") > 40
    assert text.count("image/png held a secret") == 3
    assert text.count("between") == 2


def test_a_parameter_that_holds_a_secret_starts_nothing(
    guarded: Settings, write_notebook: WriteNotebook, capfd: pytest.CaptureFixture[str]
) -> None:
    """Given, by default, in a name or within a longer text: it is refused before a kernel starts, and never told."""
    plain = write_notebook(check("OK"))
    telling = write_notebook(check("OK"), name="telling", parameters=f"device: str = {CANARY!r}")
    given: list[tuple[Path, dict[str, str]]] = [
        (plain, {"device": CANARY}),
        (plain, {"device": f"https://x.example/?t={quote_plus(CANARY)}"}),
        (plain, {"hours": CANARY}),
        (plain, {CANARY: "1"}),
        (telling, {}),
    ]
    for file, parameters in given:
        with pytest.raises(ParameterError, match="holds a secret") as caught:
            run_notebook(guarded, str(file), parameters)
        assert not {s for s in spelt(CANARY) if s in f"{caught.value.message} {caught.value.hint}"}
    assert Archive(guarded.paths).list() == []
    said = "".join(capfd.readouterr())
    assert not {s for s in spelt(CANARY) if s in said}


def test_a_notebook_named_by_a_secret_starts_nothing(
    settings: Settings, write_notebook: WriteNotebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run would be named after its notebook, so one whose name holds a secret is refused."""
    assert settings.run is None
    monkeypatch.setenv("GITHUB_WEBHOOK_SECRET", "t1ny-secret")
    guarded = load()
    file = write_notebook(check("OK"), name="of-t1ny-secret")
    with pytest.raises(RecordError, match="name holds a secret"):
        run_notebook(guarded, str(file), {})
    executed = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1", execution_count=1)])
    file.write_text(nbformat.writes(executed), encoding="utf-8")
    with pytest.raises(RecordError, match="name holds a secret"):
        import_notebook(guarded, file)
    assert leaking(guarded.home, "t1ny-secret") == set()
    assert Archive(guarded.paths).list() == []


def test_papermill_is_refused_a_secret_too(
    guarded: Settings, write_notebook: WriteNotebook, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Our engine refuses it before it starts and writes nothing; without our engine the connect cell refuses it."""
    file, out = write_notebook(check("OK")), tmp_path / "out.ipynb"
    with pytest.raises(ParameterError, match="parameter device holds a secret"):
        execute(file, out, parameters={"device": [CANARY]}, engine_name="k1nb")
    assert not out.exists()
    with pytest.raises(PapermillExecutionError, match="parameter device holds a secret") as caught:
        execute(file, out, parameters={"device": CANARY})
    assert caught.value.ename == "ParameterError"
    assert CANARY not in f"{caught.value.evalue}{caught.value.traceback}"
    assert Archive(guarded.paths).list() == []
    assert leaking(guarded.home, CANARY) == set()
    assert CANARY not in "".join(capfd.readouterr())
