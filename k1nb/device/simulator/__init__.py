"""A simulated K1: the device's HTTP interface and OTA service over real sockets, on loopback only."""

from k1nb.device.simulator._faults import Fault, Faults, parse_faults
from k1nb.device.simulator._life import simulate

__all__ = ["Fault", "Faults", "parse_faults", "simulate"]
