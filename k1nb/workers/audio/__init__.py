"""Task functions that read features out of an audio file and export them; they need the extra `audio`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, field_validator

from k1nb.errors import TerminalFailure
from k1nb.paths import write_text
from k1nb.workers._task import TaskContext, task
from k1nb.workers.audio import _features
from k1nb.workers.audio._analysis import LONGEST
from k1nb.workers.audio._child import analyse
from k1nb.workers.audio._download import download


class DownloadIn(BaseModel):
    """Where the file is."""

    url: str


class DownloadOut(BaseModel):
    """Where it was put."""

    local_path: str
    file_size_bytes: int
    sha256: str


@task("download_audio_file")
async def download_audio_file(words: DownloadIn, context: TaskContext) -> DownloadOut:
    """Fetch the file; the same bytes are the same file."""
    found = await download(context.settings, words.url)
    return DownloadOut(local_path=str(found.path), file_size_bytes=found.size, sha256=found.sha256)


class FormatIn(BaseModel):
    """A file and the sample rate that it is to have; null for any."""

    file_path: str
    expected_sample_rate: int | None = None


class FormatOut(BaseModel):
    """What the file is."""

    valid: bool
    format: str
    sample_rate: int
    channels: int
    duration_seconds: float


@task("validate_audio_format")
async def validate_audio_format(words: FormatIn, context: TaskContext) -> FormatOut:
    """Read the file's head; whatever is not WAV or MP3 as expected fails for good."""
    facts = await _analysed(context, "describe", words.file_path)
    known, fault = facts.pop("known"), None
    if not known:
        fault = f"its format is {facts['format']}, not WAV or MP3"
    elif words.expected_sample_rate not in (None, facts["sample_rate"]):
        fault = f"its sample rate is {facts['sample_rate']} Hz, not {words.expected_sample_rate}"
    elif not 0 < facts["duration_seconds"] <= LONGEST:
        fault = f"it is {facts['duration_seconds']:.1f} s long, not up to {LONGEST:g} s"
    if fault is not None:
        raise TerminalFailure(
            f"the audio file is refused: {fault}", hint="convert or cut it", output={"valid": False, **facts}
        )
    return FormatOut(valid=True, **facts)


class AudioIn(BaseModel):
    """A downloaded file."""

    audio_file: str


class TempoOut(BaseModel):
    """Beats per minute, null where there are none to hear; `alternatives` are its half or double in range."""

    bpm: float | None
    confidence: float
    alternatives: list[float]


@task("extract_tempo", concurrency=1)
async def extract_tempo(words: AudioIn, context: TaskContext) -> TempoOut:
    """Find the tempo between 50 and 150 beats per minute."""
    return TempoOut(**await _analysed(context, "tempo", words.audio_file))


class SpectrumIn(AudioIn):
    """How many samples are transformed at once."""

    fft_size: int = Field(512, ge=64, le=4096)

    @field_validator("fft_size")
    @classmethod
    def _power(cls, value: int) -> int:
        if value & (value - 1):
            raise ValueError("a power of two from 64 to 4096 is wanted")
        return value


class SpectrumOut(BaseModel):
    """Mean magnitudes from 0 Hz to half the sample rate; the strongest frequency is null in silence."""

    bins: list[float]
    bin_width_hz: float
    dominant_frequency_hz: float | None


@task("extract_frequency_spectrum", concurrency=1)
async def extract_frequency_spectrum(words: SpectrumIn, context: TaskContext) -> SpectrumOut:
    """Find the mean spectrum at the file's own sample rate."""
    return SpectrumOut(**await _analysed(context, "spectrum", words.audio_file, str(words.fft_size)))


class EnvelopeOut(BaseModel):
    """At most 2,000 amplitudes, 0 to 1."""

    envelope: list[float]
    seconds_per_point: float
    peak_amplitude: float
    rms_amplitude: float


@task("extract_envelope", concurrency=1)
async def extract_envelope(words: AudioIn, context: TaskContext) -> EnvelopeOut:
    """Find the amplitude over time."""
    return EnvelopeOut(**await _analysed(context, "envelope", words.audio_file))


class ParametersIn(BaseModel):
    """Features of a file."""

    tempo: float | None = None
    frequency_bins: list[float]
    envelope: list[float]


class ParametersOut(BaseModel):
    """Values for the device's parameters speed, palette_id and beat_threshold."""

    speed_multiplier: float
    color_palette: int
    reactivity_threshold: float


@task("generate_pattern_parameters")
async def generate_pattern_parameters(words: ParametersIn, context: TaskContext) -> ParametersOut:  # noqa: ARG001 - a task takes both
    """Derive parameters of patterns from features."""
    return ParametersOut(
        speed_multiplier=_features.speed_of(words.tempo),
        color_palette=_features.palette_of(words.frequency_bins),
        reactivity_threshold=_features.threshold_of(words.envelope),
    )


class ExportIn(BaseModel):
    """Parameters and features by group, and the format that they are written in."""

    features: dict[str, Any]
    format: Literal["json", "csv"] = "json"


class ExportOut(BaseModel):
    """The written file."""

    url: str
    local_path: str


@task("export_features")
async def export_features(words: ExportIn, context: TaskContext) -> ExportOut:
    """Write the features; an execution has one file of each format."""
    text = _features.to_csv(words.features) if words.format == "csv" else json.dumps(words.features, indent=1) + "\n"
    file = context.settings.paths.audio / "features" / f"{context.execution_id}.{words.format}"
    await asyncio.to_thread(write_text, file, text)
    return ExportOut(url=file.as_uri(), local_path=str(file))


async def _analysed(context: TaskContext, command: str, file: str, option: str = "") -> dict[str, Any]:
    return await analyse(context.settings.paths, context.timings, command, Path(file), option)
