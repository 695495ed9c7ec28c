"""The newcomer's walk: stack, sample commit, delivery over the air, daily health."""

from k1nb.demo._walk import DEVICE, ensure_device, run

__all__ = ["DEVICE", "ensure_device", "run"]
