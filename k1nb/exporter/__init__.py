"""The exporter: what devices and Conductor say, as Prometheus metrics on the loopback."""

from k1nb.exporter._metrics import CATALOGUE, Metric
from k1nb.exporter._serve import serve

__all__ = ["CATALOGUE", "Metric", "serve"]
