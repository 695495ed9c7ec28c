"""What is read out of sounds that were made for it, in this process; the child does the same."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from k1nb.workers.audio import _analysis
from tests.workers.audio.conftest import RATE, clicks, sine, write


@pytest.mark.parametrize("bpm", [50, 60, 73.5, 90, 120, 128, 147, 150])
def test_the_tempo_of_clicks_is_found(tmp_path: Path, bpm: float) -> None:
    """Clicks from 50 to 150 a minute are told within 2, surely, whatever half and double tempo would say."""
    found = _analysis.tempo(str(write(tmp_path / "a.wav", clicks(bpm))), "")
    assert found["bpm"] == pytest.approx(bpm, abs=2)
    assert found["confidence"] > 0.8


@pytest.mark.parametrize("hertz", [100, 440, 1000, 5000, 15000])
def test_the_frequency_of_a_sine_is_found(tmp_path: Path, hertz: float) -> None:
    """A sine's frequency is told within one bin, and of 512 samples there are 257 bins."""
    found = _analysis.spectrum(str(write(tmp_path / "a.wav", sine(hertz))), "512")
    assert len(found["bins"]) == 257
    assert found["bin_width_hz"] == pytest.approx(RATE / 512)
    assert found["dominant_frequency_hz"] == pytest.approx(hertz, abs=found["bin_width_hz"])


def test_the_envelope_follows_the_sound(tmp_path: Path) -> None:
    """Amplitudes rise with the sound; peak and RMS are those of the sound, in at most 2,000 points."""
    rising = np.linspace(0, 1, 4 * RATE, dtype=np.float32) * sine(440, 4.0) * 2
    found = _analysis.envelope(str(write(tmp_path / "a.wav", rising)), "")
    points = found["envelope"]
    assert 1900 < len(points) <= 2000
    assert len(points) * found["seconds_per_point"] == pytest.approx(4.0, abs=0.01)
    assert points[200] < points[1000] < points[1800]
    assert found["peak_amplitude"] == pytest.approx(1.0, abs=0.01)
    assert found["rms_amplitude"] == pytest.approx(float(np.sqrt(np.mean(np.square(rising)))), abs=0.001)


def test_silence_has_no_tempo_and_no_tone(tmp_path: Path) -> None:
    """Where nothing is heard nothing is invented: null, and sure of nothing."""
    file = str(write(tmp_path / "a.wav", np.zeros(5 * RATE, dtype=np.float32)))
    assert _analysis.tempo(file, "") == {"bpm": None, "confidence": 0.0, "alternatives": []}
    assert _analysis.spectrum(file, "512")["dominant_frequency_hz"] is None
    assert _analysis.envelope(file, "")["peak_amplitude"] == 0


def test_noise_has_no_sure_tempo(tmp_path: Path) -> None:
    """Noise may have a number, but no confidence."""
    noise = np.random.default_rng(1).normal(0, 0.1, 8 * RATE).astype(np.float32)
    assert _analysis.tempo(str(write(tmp_path / "a.wav", noise)), "")["confidence"] < 0.3


@pytest.mark.parametrize(("name", "format"), [("a.wav", "WAV"), ("a.mp3", "MP3"), ("a.flac", "FLAC")])
def test_a_file_is_known_by_its_content(tmp_path: Path, name: str, format: str) -> None:  # noqa: A002 - the output's name
    """WAV and MP3 are told from others whatever the file is called."""
    file = write(tmp_path / name, sine(440, 1.0)).rename(tmp_path / "download.audio")
    found = _analysis.describe(str(file), "")
    assert (found["format"], found["known"]) == (format, format != "FLAC")
    assert (found["sample_rate"], found["channels"]) == (RATE, 1)
    assert found["duration_seconds"] == pytest.approx(1.0, abs=0.1)


def test_the_program_writes_json_or_says_why_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The answer goes into a file; what is no audio ends with the code for that and the library's words."""
    good, out = write(tmp_path / "a.wav", sine(440, 1.0)), tmp_path / "out.json"
    assert _analysis.main("describe", str(good), "", str(out)) == 0
    assert json.loads(out.read_text())["format"] == "WAV"
    bad = tmp_path / "b.audio"
    bad.write_bytes(b"<html>not found</html>")
    assert _analysis.main("envelope", str(bad), "", str(tmp_path / "none.json")) == _analysis.UNREADABLE
    assert "Format not recognised" in capsys.readouterr().err
    assert not (tmp_path / "none.json").exists()
