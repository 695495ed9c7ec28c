"""The audio pipeline on real parts: a server with sounds, Conductor, workers and their child processes."""

from __future__ import annotations

import asyncio
import csv
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from k1nb.conductor import PolledTask, TaskClient
from k1nb.config import Settings
from k1nb.errors import TaskFailure, TerminalFailure
from k1nb.workers import TaskContext, audio, tasks_of
from k1nb.workers._effects import Effects
from k1nb.workers._metrics import Metrics
from k1nb.workers.audio import FormatIn, SpectrumIn, TempoOut, extract_tempo, validate_audio_format
from k1nb.workers.audio._child import analyse
from tests.workers.audio.conftest import RATE, Sounds, clicks, sine, write
from tests.workers.scratch import Scratch, hosting, settings_for, unique

PIPELINE = "audio-processing-pipeline"


@pytest.fixture
def listening(conductor_url: str, tmp_path: Path) -> Settings:
    """Settings of workers that fetch from loopback."""
    return settings_for(conductor_url, tmp_path / "home", audio_hosts="127.0.0.1")


@pytest.mark.anyio
async def test_features_of_real_files_are_exported(
    listening: Settings, scratch: Scratch, sounds: Sounds, tmp_path: Path
) -> None:
    """A WAV and an MP3 end COMPLETED with tempo, bins and envelope in their exports; what is no audio ends FAILED."""
    sounds.give("/beat.wav", write(tmp_path / "beat.wav", clicks(97)).read_bytes())
    mixed = clicks(128) * 0.3 + sine(2000, 12.0)
    sounds.give("/beat.mp3", write(tmp_path / "beat.mp3", mixed).read_bytes())
    sounds.give("/page.wav", b"<html>moved</html>")
    domain = unique("audio")
    async with hosting(listening, *tasks_of(audio), domain=domain):
        started = [
            await scratch.start_in(domain, PIPELINE, audio_file_url=sounds.url(path), **more)
            for path, more in (
                ("/beat.wav", {"sample_rate": RATE}),
                ("/beat.mp3", {"output_format": "csv"}),
                ("/page.wav", {}),
                ("/beat.wav", {"sample_rate": 8000}),
            )
        ]
        # The first use of librosa on a machine compiles its loops.
        wav, mp3, page, other = [await scratch.ended(execution, patience=200) for execution in started]
    _is_exported(listening, wav, mp3)
    assert page["status"] == other["status"] == "FAILED"
    assert "cannot be read as audio" in page["reasonForIncompletion"]
    assert "its sample rate is 44100 Hz, not 8000" in other["reasonForIncompletion"]
    assert [task["outputData"].get("valid") for task in other["tasks"][-1:]] == [False]


def _is_exported(settings: Settings, wav: dict[str, Any], mp3: dict[str, Any]) -> None:
    assert (wav["status"], mp3["status"]) == ("COMPLETED", "COMPLETED"), (wav, mp3)
    features = json.loads(Path(wav["output"]["features_url"].removeprefix("file://")).read_text())
    assert features["tempo"]["bpm"] == pytest.approx(97, abs=2)
    assert (len(features["spectrum"]["bins"]), features["audio"]["format"]) == (257, "WAV")
    assert len(features["envelope"]["envelope"]) <= 2000
    assert features["parameters"]["speed_multiplier"] == pytest.approx(0.47, abs=0.03)
    file = Path(mp3["output"]["features_url"].removeprefix("file://"))
    assert file.is_relative_to(settings.paths.artifacts)
    with file.open(newline="") as table:
        rows = {(group, name, index): value for group, name, index, value in csv.reader(table)}
    assert float(rows["tempo", "bpm", ""]) == pytest.approx(128, abs=2)
    assert float(rows["spectrum", "dominant_frequency_hz", ""]) == pytest.approx(2000, abs=RATE / 512)
    assert rows["audio", "format", ""] == "MP3"


async def _validate(settings: Settings, file: Path) -> None:
    polled = PolledTask("t", "validate_audio_format", "e", "v", {}, 0, 1, 60.0, "w")
    async with TaskClient.from_settings(settings) as client:
        context = TaskContext(settings, polled, client, Effects(settings.paths), Metrics(["v"]))
        await validate_audio_format(FormatIn(file_path=str(file)), context)


@pytest.mark.parametrize(
    ("name", "seconds", "said"), [("a.flac", 1.0, "its format is FLAC"), ("a.wav", 901.0, "901.0 s long")]
)
def test_other_formats_and_long_files_are_refused(settings: Settings, name: str, seconds: float, said: str) -> None:
    """What is neither WAV nor MP3, or longer than a quarter of an hour, fails for good with its facts."""
    file = write(settings.paths.audio / name, sine(100, seconds, 1000), 1000).rename(settings.paths.audio / "a.audio")
    with pytest.raises(TerminalFailure, match=said) as refused:
        asyncio.run(_validate(settings, file))
    assert refused.value.output["valid"] is False


def test_without_the_extra_the_remedy_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where librosa is not installed the task fails for good and says what to install."""
    monkeypatch.setitem(sys.modules, "librosa", None)
    with pytest.raises(TerminalFailure, match="librosa not installed") as refused:
        asyncio.run(_validate(settings, settings.paths.audio / "a.audio"))
    assert "pip install 'k1nb[audio]'" in (refused.value.hint or "")


@pytest.mark.parametrize("place", ["/etc/passwd", "a.audio", "../a.audio"])
def test_only_downloaded_files_are_read(settings: Settings, place: str) -> None:
    """A path outside the folder of audio files, and one that is gone, is refused before anything is started."""
    for file in (Path(place), settings.paths.audio / place):
        with pytest.raises(TaskFailure, match=r"no downloaded audio file|not there any more"):
            asyncio.run(analyse(settings.paths, settings.timings, "describe", file))


def test_the_size_of_a_transform_is_a_power_of_two() -> None:
    """Other sizes are refused with what is wanted."""
    assert SpectrumIn(audio_file="/a", fft_size=1024).fft_size == 1024
    with pytest.raises(ValueError, match="a power of two"):
        SpectrumIn(audio_file="/a", fft_size=500)


def test_the_worker_host_loads_no_analysis() -> None:
    """All task functions together import neither numpy nor librosa nor matplotlib: they live in child processes."""
    heavy = "{'numpy', 'librosa', 'numba', 'soundfile', 'matplotlib'}"
    program = f"import sys; from k1nb.workers import all_tasks; all_tasks(); sys.exit(bool({heavy} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    assert extract_tempo.output_model is TempoOut
