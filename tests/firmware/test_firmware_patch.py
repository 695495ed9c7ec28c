"""The page on the firmware patch: its script builds, its C++ compiles and judges as it says, its answer is read."""

from __future__ import annotations

import ctypes
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from k1nb.device import Info
from k1nb.firmware import Repository, commit_change, stamp_of
from k1nb.paths import Paths
from tests.firmware.conftest import build

PAGE = (Path(__file__).parents[2] / "docs" / "firmware-patch.md").read_text(encoding="utf-8")
MAIN, PROJECT = "firmware/src/main.c", "firmware/platformio.ini"

ARDUINO = """
#include <stdint.h>
struct JsonField { const char **text; void operator=(const char *value) { *text = value; } };
struct JsonObject { const char **text; JsonField operator[](const char *) { return JsonField{text}; } };
static struct { const char *password; void setPassword(const char *text) { password = text; } } ArduinoOTA;
extern "C" { uint32_t now_ms; uint32_t millis() { return now_ms; } }
"""
ESP_OTA_OPS = """
typedef int esp_err_t;
typedef struct { int type; } esp_partition_t;
typedef enum { ESP_OTA_IMG_NEW, ESP_OTA_IMG_PENDING_VERIFY, ESP_OTA_IMG_VALID } esp_ota_img_states_t;
#define ESP_OK 0
extern "C" {
int state, judged, refusals;
static esp_partition_t running;
const esp_partition_t *esp_ota_get_running_partition(void) { return &running; }
esp_err_t esp_ota_get_state_partition(const esp_partition_t *, esp_ota_img_states_t *out) {
  *out = (esp_ota_img_states_t)state;
  return ESP_OK;
}
esp_err_t esp_ota_mark_app_valid_cancel_rollback(void) { if (refusals-- > 0) return -1; judged = 1; return ESP_OK; }
esp_err_t esp_ota_mark_app_invalid_rollback_and_reboot(void) { judged = -1; return ESP_OK; }
}
"""
DRIVER = """
extern "C" {
void judge(int healthy) { k1_judge_image(healthy); }
int later() { return verifyRollbackLater(); }
const char *stamp() { const char *text = 0; k1_add_stamp(JsonObject{&text}); return text; }
const char *password() { k1_require_password(); return ArduinoOTA.password; }
}
"""
PENDING, VALID = 1, 2


def blocks(language: str) -> list[str]:
    """Return the page's code in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture
def library(tmp_path: Path) -> Callable[[], ctypes.CDLL]:
    """Compile the page's C++ around stand-ins for the core, and return what loads it anew."""
    stamp, header, password, trial = blocks("cpp")
    (tmp_path / "k1_ota_password.h").write_text(header)
    (tmp_path / "esp_ota_ops.h").write_text(ESP_OTA_OPS)
    source = tmp_path / "patch.cpp"
    source.write_text(ARDUINO + stamp + password + trial + DRIVER)
    bare = ("-nostdlib", "-fno-exceptions", "-fno-rtti", "-fno-threadsafe-statics", "-fno-sanitize=undefined")
    strict = ("-std=gnu++11", "-Wall", "-Wextra", "-Werror", "-Wno-unused-parameter")
    count = iter(range(10))

    def load() -> ctypes.CDLL:
        # A copy for each: what is loaded once keeps its static variables.
        made = tmp_path / f"patch-{next(count)}.so"
        words = [sys.executable, "-m", "ziglang", "c++", "-shared", "-fPIC", *bare, *strict, f"-I{tmp_path}"]
        subprocess.run([*words, "-o", str(made), str(source)], check=True, timeout=120)
        return ctypes.CDLL(str(made))

    return load


class Trial:
    """An image on trial: what it says at which moment."""

    def __init__(self, library: ctypes.CDLL, state: int = PENDING, refusals: int = 0) -> None:
        self._library = library
        ctypes.c_int.in_dll(library, "state").value = state
        ctypes.c_int.in_dll(library, "refusals").value = refusals

    def judge(self, seconds: float, healthy: bool) -> int:
        """Have the image judge itself; 1 where it has marked itself valid so far, -1 invalid, 0 neither."""
        ctypes.c_uint32.in_dll(self._library, "now_ms").value = int(seconds * 1000)
        self._library.judge(int(healthy))
        return ctypes.c_int.in_dll(self._library, "judged").value


def test_a_healthy_image_marks_itself_valid_after_eight_seconds(library: Callable[[], ctypes.CDLL]) -> None:
    """Health must last: an interruption begins the eight seconds anew; a refusal of the core is tried again."""
    trial = Trial(library(), refusals=1)
    said = [trial.judge(*look) for look in ((5, True), (12.9, True), (12.95, False), (13, True), (20.9, True))]
    assert said == [0, 0, 0, 0, 0]
    assert (trial.judge(21, True), trial.judge(21.1, True)) == (0, 1)


def test_an_image_that_never_is_healthy_gives_itself_up(library: Callable[[], ctypes.CDLL]) -> None:
    """After three minutes without health it marks itself invalid, which brings the old one back."""
    trial = Trial(library())
    assert [trial.judge(seconds, False) for seconds in (10, 179.9, 180.1)] == [0, 0, -1]


def test_an_image_that_is_not_on_trial_judges_nothing(library: Callable[[], ctypes.CDLL]) -> None:
    """One that is valid already, or came by USB, is left alone; the core leaves the judgement to the application."""
    loaded = library()
    trial = Trial(loaded, VALID)
    assert [trial.judge(seconds, healthy) for seconds, healthy in ((10, True), (200, False))] == [0, 0]
    assert loaded.later() == 1


def test_stamp_and_password_are_what_was_compiled_in(library: Callable[[], ctypes.CDLL]) -> None:
    """Without the build's macro the stamp is unknown; the password is that of the header."""
    loaded = library()
    loaded.stamp.restype = loaded.password.restype = ctypes.c_char_p
    assert loaded.stamp() == b"unknown"
    assert loaded.password() == b"choose a long one"


def test_the_script_stamps_a_build(paths: Paths, sample: Repository) -> None:
    """With script and line of the page a real build has the commit's stamp as K1_BUILD_STAMP in its own sources."""
    [script] = blocks("python")
    line = next(block for block in blocks("ini") if "extra_scripts" in block)
    main = (sample.path / MAIN).read_text()
    files = {
        "firmware/k1_stamp.py": script,
        PROJECT: (sample.path / PROJECT).read_text() + line,
        MAIN: main.replace(
            "void call_start_cpu0(void)\n{",
            'static const char patch[] = "patch:" K1_BUILD_STAMP;\nstatic const char *volatile shown;\n\n'
            "void call_start_cpu0(void)\n{\n    shown = patch;",
        ),
    }
    before = subprocess.run(
        ["git", "-C", str(sample.path), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
    ).stdout.strip()
    commit = commit_change(sample, "Stamp as the page says", files)
    try:
        built = build(paths, sample, commit, "patched")
    finally:
        subprocess.run(["git", "-C", str(sample.path), "reset", "--hard", "--quiet", before], check=True)
    assert f"patch:{stamp_of(commit.sha)}".encode() in built.image.read_bytes()
    assert built.stamp == stamp_of(commit.sha)


def test_the_answer_on_the_page_is_read() -> None:
    """The field that the page adds to the device's answer is where the stamp is read."""
    [answer] = blocks("json")
    info = {"device": "K1.reinvented", "uptime_ms": 5, "ip": "192.168.7.20", "mac": "02:4B:31:00:00:01"}
    assert Info.model_validate(info | json.loads(answer)).stamp == "k1-0123456789ab"
