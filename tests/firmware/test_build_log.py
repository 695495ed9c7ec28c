"""Facts about what is read from a build's log."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from k1nb.firmware import Build, Usage, count_warnings, read_usage
from k1nb.firmware._build_log import read_fault, tail

PROJECT = Path("/home/me/builds/b 1/source/firmware")
REAL = """\
Checking size .pio/build/esp32-s3-devkitc-1/firmware.elf
Advanced Memory Usage is available via "PlatformIO Home > Project Inspect"
RAM:   [=====     ]  49.5% (used 162148 bytes from 327680 bytes)
Flash: [=======   ]  66.7% (used 1311221 bytes from 1966080 bytes)
"""


def test_sizes_are_read_from_their_own_lines() -> None:
    """Flash comes from the Flash line and RAM from the RAM line, unrounded."""
    usage = read_usage(REAL)
    assert usage == Usage(1311221, 100 * 1311221 / 1966080, 1966080, 162148, 100 * 162148 / 327680, 327680)


@pytest.mark.parametrize("bar", ["[##########]", "[■■■□□□]", "[          ]", ""])
def test_bars_may_look_as_they_like(bar: str) -> None:
    """Whatever characters draw the bar, the bytes are found."""
    usage = read_usage(f"Flash: {bar} 12.3% (used 100 bytes from 200 bytes)")
    assert (usage.flash_bytes, usage.flash_percent) == (100, 50.0)


def test_last_size_lines_count() -> None:
    """Of a log with two size checks the later one holds."""
    assert read_usage(REAL + REAL.replace("1311221", "1311222")).flash_bytes == 1311222


def test_missing_numbers_stay_missing() -> None:
    """What the log doesn't say is None, never zero; a total of zero gives no percent."""
    assert read_usage("") == Usage()
    assert read_usage("RAM: [] 0.0% (used 4 bytes from 0 bytes)").ram_percent is None
    assert read_usage(REAL.split("Flash")[0]).flash_percent is None


def test_real_build_says_its_sizes(built: Build) -> None:
    """The size lines of a real PlatformIO build are understood; its totals are those of the board."""
    usage = read_usage(built.log.read_text())
    assert (usage.flash_total, usage.ram_total) == (1_966_080, 327_680)
    assert 65_536 < (usage.flash_bytes or 0) < 200_000
    assert 0 < (usage.ram_percent or 0) < 5


@pytest.mark.parametrize(
    ("line", "count"),
    [
        ("src/main.cpp:10:5: warning: unused variable 'x' [-Wunused-variable]", 1),
        ("include/led.h:3: warning: something", 1),
        ("lib/own/own.c:1:1: warning: x", 1),
        ("src/../include/led.h:3:1: warning: x", 1),
        ("/home/me/builds/b 1/source/firmware/src/a.c:1:1: warning: x", 1),
        (".pio/libdeps/env/FastLED/src/FastLED.cpp:10:5: warning: x", 0),
        ("src/../.pio/libdeps/env/a.c:1:1: warning: x", 0),
        ("../platforms/p/a.c:1:1: warning: x", 0),
        ("/home/me/.platformio/packages/framework/a.c:1:1: warning: x", 0),
        ("/home/me/builds/b 1/source/firmware-other/a.c:1:1: warning: x", 0),
        ("src/main.c:10:5: error: x", 0),
        ("src/main.c:10:5: note: in expansion of macro", 0),
        ("ld: warning: cannot find entry symbol _start", 0),
        ("warning: something", 0),
    ],
)
def test_only_own_sources_count(line: str, count: int) -> None:
    """Warnings count in the project's own files, not in its libraries, the platform or the framework."""
    assert count_warnings(f"Compiling a.o\n{line}\n   10 | int x;\n", PROJECT) == count


def test_a_place_counts_once() -> None:
    """A header's warning counts once, however many sources include it; two places are two."""
    text = "include/led.h:3:1: warning: x\n" * 5 + "include/led.h:4:1: warning: x\n"
    assert count_warnings(text, PROJECT) == 2


def test_without_project_only_relative_paths_count() -> None:
    """Where the project's folder is unknown, a path from the root is nobody's."""
    assert count_warnings("/x/src/a.c:1:1: warning: x\nsrc/a.c:1:1: warning: x\n", None) == 1


@pytest.mark.parametrize(
    ("text", "expected", "final"),
    [
        (
            "a.c:1:1: warning: w\nsrc/main.c:25:27: error: use of undeclared identifier 'zero'\nb.c:1: error: y",
            "src/main.c:25:27: error: use of undeclared identifier 'zero'",
            True,
        ),
        (
            "src/main.cpp:1:10: fatal error: Foo.h: No such file or directory",
            "src/main.cpp:1:10: fatal error: Foo.h: No such file or directory",
            True,
        ),
        (
            "UnknownEnvNamesError: Unknown environment names 'x'. Valid names are 'y'",
            "UnknownEnvNamesError: Unknown environment names 'x'. Valid names are 'y'",
            True,
        ),
        ("UnknownBoard: Unknown board ID 'z'", "UnknownBoard: Unknown board ID 'z'", True),
        (
            "Flash: x\nError: The program size (2 bytes) is greater than maximum allowed (1 bytes)\n*** Error 1",
            "Error: The program size (2 bytes) is greater than maximum allowed (1 bytes)",
            True,
        ),
        ("ld.lld: error: undefined symbol: foo\n>>> x", "ld.lld: error: undefined symbol: foo", True),
        (
            "a.o: in function `f':\nb.c:(.text+0x1): undefined reference to `g'\ncollect2: error: ld returned 1",
            "b.c:(.text+0x1): undefined reference to `g'",
            True,
        ),
        (
            "Tool Manager: Installing platformio/tool-scons @ ~4.41101.0\nHTTPClientError: ",
            "a download failed: HTTPClientError",
            False,
        ),
        (
            "InternetConnectionError: You are not connected to the Internet.",
            "a download failed: InternetConnectionError: You are not connected to the Internet.",
            False,
        ),
        (
            "PackageException: Got the unrecognized status code '503' when downloaded http://x",
            "a download failed: PackageException: Got the unrecognized status code '503' when downloaded http://x",
            False,
        ),
        (
            "fatal: Could not resolve host: x",
            "a download failed: fatal: Could not resolve host: x",
            False,
        ),
        ("HTTPClientError: \nsrc/a.c:1:1: error: x", "src/a.c:1:1: error: x", True),
        ("*** [firmware.elf] Error -9\n=== [FAILED] Took 1 s ===", "*** [firmware.elf] Error -9", False),
        ("Killed\n*** [src/duty.o] Error 137", "*** [src/duty.o] Error 137", False),
        ("Aborted\n*** [src/duty.o] Error 134", "*** [src/duty.o] Error 134", False),
        ("*** [firmware.elf] Error 247", "*** [firmware.elf] Error 247", False),
        (
            "xtensa-esp32s3-elf-g++: fatal error: Killed signal terminated program cc1plus\n*** [a.o] Error 1",
            "xtensa-esp32s3-elf-g++: fatal error: Killed signal terminated program cc1plus",
            False,
        ),
        ("src/a.c:1:1: error: x\n*** [src/b.o] Error 137", "src/a.c:1:1: error: x", True),
        ("odd\n*** [firmware.elf] Error 1\n=== [FAILED] Took 1 s ===", "*** [firmware.elf] Error 1", True),
        ("scons: *** Found dependency cycle(s):", "scons: *** Found dependency cycle(s):", True),
        ("strange words\n=== [FAILED] Took 1 s ===\n\n", "strange words", False),
        ("", "the build printed nothing", False),
    ],
)
def test_fault_is_the_line_that_says_why(text: str, expected: str, final: bool) -> None:
    """The compiler's first error is told before all else; a failed download and a kill are worth another try."""
    fault = read_fault(text)
    assert (fault.text, fault.final) == (expected, final)


@settings(deadline=None)
@given(st.text(), st.integers(1, 400), st.integers(0, 2000))
def test_tail_is_bounded(text: str, lines: int, width: int) -> None:
    """A tail has at most 200 lines and 64 KiB, and ends as the log ends."""
    log = "\n".join([text, *["ü" * width] * lines, "the end"])
    kept = tail(log)
    assert len(kept.encode()) <= 65_536
    assert len(kept.splitlines()) <= 200
    assert kept.endswith("the end")


@settings(deadline=None)
@given(st.text())
def test_any_log_can_be_read(text: str) -> None:
    """No text makes a reader of logs raise."""
    read_usage(text)
    count_warnings(text, PROJECT)
    read_fault(text)
