"""What the lights of a simulated device show."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from typing import Any

import pytest

from k1nb.device.simulator._lights import drawn
from k1nb.firmware import SampleLight, Style
from k1nb.paths import share
from k1nb.patterns import PatternParams
from k1nb.patterns._source import sample_source
from tests.device.conftest import Running

FIRMWARE = share("data") / "sample-firmware" / "firmware"
FRAMES = (0, 1, 100, 511, 1000, 4321)


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Compile the sample firmware's drawings, with a generated one of each style, for this machine."""
    folder = tmp_path_factory.mktemp("drawings")
    shutil.copytree(FIRMWARE, folder / "firmware")
    registry = folder / "firmware" / "include" / "patterns.def"
    files = [folder / "firmware" / "src" / "patterns.c"]
    for style in Style:
        source = sample_source(f"drawn_{style}", params(style), "firmware", registry.read_text())
        for name, text in source.files.items():
            (folder / name).write_text(text)
        files.append(folder / source.path)
    library = folder / "drawings.so"
    options = ["-shared", "-nostdlib", "-ffreestanding", "-fno-sanitize=undefined", "-Wall", "-Wextra", "-Werror"]
    for file in files:
        kind = "cc" if file.suffix == ".c" else "c++"
        command = [sys.executable, "-m", "ziglang", kind, "-c", "-fPIC", *options[2:], f"-I{registry.parent}"]
        subprocess.run([*command, str(file), "-o", f"{file}.o"], check=True)
    subprocess.run(
        [sys.executable, "-m", "ziglang", "cc", *options[:3], *(f"{file}.o" for file in files), "-o", str(library)],
        check=True,
    )
    return ctypes.CDLL(str(library))


def params(style: Style) -> PatternParams:
    """Return parameters whose every value shows."""
    return PatternParams(style=style, speed=1.5, brightness=0.7, hue=0.2)


def draw(library: Any, symbol: str, frame: int) -> list[tuple[int, int, int]]:
    """Run a compiled drawing and return what it made of the strip."""
    strip = (ctypes.c_uint16 * (160 * 3 * 2))()
    getattr(library, symbol)(ctypes.c_uint32(frame), ctypes.byref(strip))
    return [(strip[3 * n], strip[3 * n + 1], strip[3 * n + 2]) for n in range(160)]


@pytest.mark.parametrize("style", list(Style))
def test_the_simulator_shows_what_the_code_draws(compiled: Any, style: Style) -> None:
    """For each style the generated C++, compiled and run, makes the very lights that the simulator shows."""
    light = SampleLight(style, speed=3.0, hue=205, level=716)
    for frame in FRAMES:
        assert draw(compiled, f"draw_drawn_{style}", frame) == list(drawn(light, frame)), frame


def test_the_frame_is_as_documented(simulator: Running) -> None:
    """160 colours as RRGGBB by default, fewer and as triples where asked for; anything else is a 400."""
    whole = simulator.get("/api/leds/frame").json()
    assert (whole["count"], whole["limit"], whole["format"], len(whole["data"])) == (160, 160, "hex", 160)
    assert all(len(bytes.fromhex(light)) == 3 for light in whole["data"])


@pytest.mark.parametrize("query", ["n=0", "n=161", "n=x", "n=-1", "fmt=png"])
def test_a_wrong_question_is_refused(shared: Running, query: str) -> None:
    """What the device does not know it refuses in its full shape, or it was asked too soon."""
    answer = shared.get(f"/api/leds/frame?{query}")
    assert answer.status_code in (400, 429)
    if answer.status_code == 400:
        assert answer.json()["error"] == "invalid_param"


def test_the_lights_move_and_dim(simulator: Running) -> None:
    """The pattern after boot changes from frame to frame; brightness 0 makes it black, in triples as well."""
    first = simulator.get("/api/leds/frame").json()["data"]
    assert simulator.post("/api/params", json={"brightness": 0}).status_code == 200
    while (answer := simulator.get("/api/leds/frame?n=4&fmt=rgb")).status_code == 429:
        pass
    assert answer.json()["data"] == [[0, 0, 0]] * 4
    assert any(light != "000000" for light in first)
