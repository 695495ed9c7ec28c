"""What is read out of an audio file: a program of its own, so that what it loads is gone with it.

`python _analysis.py COMMAND FILE OPTION OUT` writes JSON to OUT. Nothing of k1nb is imported here. Exit code 3 stands
for a file that cannot be read as audio, with the reason on stderr.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FORMATS = ("WAV", "WAVEX", "RF64", "MP3", "MPEG")
"""Of libsndfile's formats those that are WAV or MP3."""
UNREADABLE = 3
TEMPO_RATE = 22_050
HOP = 128
"""Samples between two looks at the onsets, 5.8 ms at TEMPO_RATE."""
SLOWEST, FASTEST = 50.0, 150.0
"""Beats per minute: the range of the device's own detector."""
ENVELOPE_POINTS = 2_000
_PIECES = 64
"""Pieces that are transformed at once."""
_SILENT = 1e-6
LONGEST = 900.0
"""Seconds of sound that are loaded; more would take more memory than a worker's machine has to spare."""


def describe(file: str, _option: str) -> dict[str, Any]:
    """Return format, sample rate (Hz), channels and seconds from the file's head."""
    import soundfile

    facts = soundfile.info(file)
    return {
        "format": "WAV" if facts.format in FORMATS[:3] else "MP3" if facts.format in FORMATS else facts.format,
        "known": facts.format in FORMATS,
        "sample_rate": facts.samplerate,
        "channels": facts.channels,
        "duration_seconds": round(facts.frames / facts.samplerate, 6),
    }


def tempo(file: str, _option: str) -> dict[str, Any]:
    """Return beats per minute from the distance at which the onsets are most like themselves.

    The confidence is that likeness, 0 to 1. Half and double tempo explain the same onsets: those in range are named.
    """
    import librosa
    import numpy as np
    from librosa.onset import onset_strength

    sound, _ = librosa.load(file, sr=TEMPO_RATE, mono=True, duration=LONGEST)
    onsets = onset_strength(y=sound, sr=TEMPO_RATE, hop_length=HOP)
    onsets = onsets - onsets.mean()
    likeness = librosa.autocorrelate(onsets)
    rate = 60 * TEMPO_RATE / HOP
    first, last = int(np.floor(rate / FASTEST)), int(np.ceil(rate / SLOWEST))
    if len(likeness) < last + 2 or likeness[0] <= 1e-9:
        return {"bpm": None, "confidence": 0.0, "alternatives": []}
    # Fewer onsets overlap at longer distances: without this, slow tempos would look less sure.
    likeness = likeness / likeness[0] * (len(likeness) / np.arange(len(likeness), 0, -1))
    best = first + int(np.argmax(likeness[first : last + 1]))
    peak = likeness[first : last + 1].max()
    # The shortest distance that is nearly as good: its multiples are as good by themselves.
    for lag in range(first, best):
        near = likeness[lag]
        if near >= 0.9 * peak and near >= likeness[lag - 1] and near >= likeness[lag + 1]:
            best = lag
            break
    bpm = rate / (best + _summit(likeness[best - 1 : best + 2]))
    bpm = min(max(bpm, SLOWEST), FASTEST)
    confidence = float(min(max(likeness[best], 0.0), 1.0))
    others = [round(other, 2) for other in (bpm / 2, bpm * 2) if SLOWEST <= other <= FASTEST]
    return {"bpm": round(float(bpm), 2), "confidence": round(confidence, 4), "alternatives": others}


def spectrum(file: str, fft_size: str) -> dict[str, Any]:
    """Return the mean magnitude of each bin at the file's own rate, and the strongest frequency above 0 Hz.

    A sine of full amplitude on a bin has a magnitude of 0.5 there; the last piece is filled up with silence.
    """
    import numpy as np
    import soundfile

    size = int(fft_size)
    window, total, count = np.hanning(size + 1)[:size], np.zeros(size // 2 + 1), 0
    with soundfile.SoundFile(file) as sound:
        width = sound.samplerate / size
        for part in sound.blocks(blocksize=size * _PIECES, dtype="float32", always_2d=True, fill_value=0.0):
            pieces = part.mean(axis=1).reshape(_PIECES, size)
            total += np.abs(np.fft.rfft(pieces * window, axis=1)).sum(axis=0)
        count = -(-sound.frames // size)
    bins = total * 2 / size / max(count, 1)
    strongest = 1 + int(np.argmax(bins[1:]))
    dominant = None
    if bins[strongest] > _SILENT:
        aside = _summit(bins[strongest - 1 : strongest + 2]) if strongest < len(bins) - 1 else 0.0
        dominant = round(float((strongest + aside) * width), 3)
    return {
        "bins": [round(float(value), 7) for value in bins],
        "bin_width_hz": round(float(width), 6),
        "dominant_frequency_hz": dominant,
    }


def envelope(file: str, _option: str) -> dict[str, Any]:
    """Return the largest amplitude of each of at most 2,000 equal pieces, the peak and the RMS, all 0 to 1."""
    import numpy as np
    import soundfile

    with soundfile.SoundFile(file) as sound:
        block = max(1, -(-sound.frames // ENVELOPE_POINTS))
        points, squares, count = [], 0.0, 0
        for part in sound.blocks(blocksize=block, dtype="float32", always_2d=True):
            mono = np.clip(part.mean(axis=1), -1.0, 1.0)
            points.append(round(float(np.abs(mono).max()), 5))
            squares += float(np.square(mono, dtype=np.float64).sum())
            count += len(mono)
        seconds = block / sound.samplerate
    return {
        "envelope": points[:ENVELOPE_POINTS],
        "seconds_per_point": round(seconds, 6),
        "peak_amplitude": max(points, default=0.0),
        "rms_amplitude": round((squares / max(count, 1)) ** 0.5, 6),
    }


def _summit(three: Any) -> float:
    """Return where a parabola through three values has its top, from -0.5 to 0.5 of the way to a neighbour."""
    before, here, after = (float(value) for value in three)
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else min(max((before - after) / (2 * bend), -0.5), 0.5)


COMMANDS = {"describe": describe, "tempo": tempo, "spectrum": spectrum, "envelope": envelope}


def main(command: str, file: str, option: str, out: str) -> int:
    """Run one command and write its answer."""
    import soundfile

    try:
        answer = COMMANDS[command](file, option)
    except soundfile.LibsndfileError as error:
        sys.stderr.write(f"{error.error_string}\n")
        return UNREADABLE
    Path(out).write_text(json.dumps(answer), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
