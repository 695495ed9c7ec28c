"""What a simulated device becomes: read from the image's bytes, or the state it left the factory in."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import starmap

from k1nb.firmware import SampleHealth, SampleLight, SamplePattern, read_image

FACTORY_PATTERNS = (
    *("departure", "lava", "twilight", "prism*", "spectrum*", "octave*", "bloom*", "bloom_mirror*", "bloom_sb*"),
    *("pulse*", "tempiscope*", "beat_tunnel*", "beat_tunnel_variant*", "startup_intro*", "tunnel_glow*", "perlin*"),
    *("analog*", "metronome*", "hype*", "waveform_spectrum*", "snapwave*", "gravitational_lensing", "sierpinski"),
    *("beam_collision", "quantum_tunneling", "time_crystal", "soliton_waves", "metamaterial_cloak", "laser_duel"),
    *("sonic_boom", "diamond_lattice", "hexagonal_grid", "spiral_vortex", "chevron_waves", "concentric_rings"),
    *("star_burst", "mesh_network", "moire_patterns", "box_wave", "holographic", "modal_resonance"),
    *("interference_scanner", "wave_collision", "soliton_explorer", "turing_patterns", "kelvin_helmholtz"),
)
"""The 46 patterns of the firmware as it is delivered; * marks the audio-reactive ones."""

FACTORY_HEALTH = SampleHealth(
    status="ok",
    fps=118.0,
    memory_free_kb=142,
    memory_total_kb=286,
    render_avg_us=4_900.0,
    quantize_avg_us=620.0,
    rmt_wait_avg_us=1_450.0,
    rmt_tx_avg_us=1_500.0,
    rssi_dbm=-54,
)


@dataclass(frozen=True, slots=True)
class Firmware:
    """What runs: its stamp, its patterns and how it feels."""

    stamp: str | None
    patterns: tuple[SamplePattern, ...]
    health: SampleHealth

    @property
    def first_pattern(self) -> int:
        """Index of the pattern shown after boot: the first audio-reactive one."""
        return next((index for index, pattern in enumerate(self.patterns) if pattern.audio_reactive), 0)


def _factory_pattern(number: int, word: str) -> SamplePattern:
    name = word.rstrip("*").replace("_", " ").title()
    kind = "Reacts to sound" if word.endswith("*") else "Plays by itself"
    light = SampleLight(speed=1.0 + number % 7, hue=number * 89 % 1024)
    return SamplePattern(word.rstrip("*"), name, kind, word.endswith("*"), light)


def factory() -> Firmware:
    """Return the firmware of a device that was never flashed by OTA: healthy, without a stamp."""
    return Firmware(None, tuple(starmap(_factory_pattern, enumerate(FACTORY_PATTERNS))), FACTORY_HEALTH)


def firmware_in(image: bytes) -> Firmware:
    """Return what an image boots into; raises ImageError for bytes that no boot loader would start.

    An image without a sample block says nothing of itself: it gets the factory's patterns and health, no stamp.
    """
    sample = read_image(image).sample
    if sample is None:
        return factory()
    return Firmware(sample.stamp, sample.patterns or factory().patterns, sample.health)
