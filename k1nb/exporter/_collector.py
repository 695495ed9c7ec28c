"""What is known now, as Prometheus' client library wants it; nobody is asked here, so a scrape waits for nobody."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from k1nb.device import CurrentPattern
from k1nb.exporter import _metrics as m
from k1nb.exporter._conductor import FAILED, ConductorWatch
from k1nb.exporter._fleet import Fleet
from k1nb.exporter._metrics import Metric
from k1nb.exporter._watch import REASONS, ROUTES, DeviceWatch

Sample = tuple[Metric, tuple[str, ...], float]


class StateCollector(Collector):
    """Gives what fleet and Conductor said last, as far as it is fresh."""

    def __init__(self, fleet: Fleet, conductor: ConductorWatch, artifacts: Path) -> None:
        self._fleet = fleet
        self._conductor = conductor
        self._artifacts = artifacts

    def describe(self) -> Iterable[Family]:
        """Describe nothing in advance: registering must not collect."""
        return ()

    def collect(self) -> Iterator[Family]:
        """Yield each metric that has a value."""
        families = {metric.name: _family(metric) for metric in m.CATALOGUE}
        for metric, labels, value in self._samples():
            families[metric.name].add_metric(labels, value)
        yield from (family for family in families.values() if family.samples)

    def _samples(self) -> Iterator[Sample]:
        for watch in self._fleet.watches:
            yield from device_samples(watch)
        yield from conductor_samples(self._conductor)
        yield m.INVENTORY, (), not self._fleet.trouble
        yield from disk_samples(self._artifacts)


def _family(metric: Metric) -> CounterMetricFamily | GaugeMetricFamily:
    kind = CounterMetricFamily if metric.kind == "counter" else GaugeMetricFamily
    return kind(metric.name, metric.help, labels=metric.labels)


def device_samples(watch: DeviceWatch) -> Iterator[Sample]:
    """Yield what is known of one device: what it said while that is fresh, what was counted always."""
    device = watch.device
    labels = (device.name, device.mac, device.role, device.kind)
    yield m.UP, labels, watch.up
    yield m.FOREIGN, labels, watch.foreign
    yield m.OTA, labels, watch.held()
    if watch.answered_at is not None:
        yield m.AGE, labels, time.monotonic() - watch.answered_at
    for route in ROUTES:
        for reason in REASONS:
            yield m.ERRORS, (*labels, route, reason), watch.errors[route, reason]
    for value in m.VALUES:
        answer: Any = watch.fresh(value.answer)
        number = None if answer is None else value.read(answer)
        if number is not None:
            yield value.metric, labels, number
    info, pattern = watch.info, watch.fresh(CurrentPattern)
    if info is not None:
        facts = (info.ip, info.idf_version or "", info.framework or "", watch.build_id, pattern.id if pattern else "")
        yield m.INFO, (*labels, *facts), 1
    # Read last, for looks go on meanwhile: what is told after a restart comes with that restart counted.
    yield m.REBOOTS, labels, watch.reboots


def conductor_samples(watch: ConductorWatch) -> Iterator[Sample]:
    """Yield what is known of the server."""
    facts = watch.fresh
    yield m.CONDUCTOR_UP, (), watch.up and facts is not None
    if watch.facts is not None:
        yield m.CONDUCTOR_AGE, (), time.monotonic() - watch.facts.at
    if facts is None:
        return
    counts = watch.failures.counts
    for name, workflow in facts.workflows.items():
        yield m.RUNNING_SECONDS, (name,), workflow.running_seconds
        yield m.WAITING, (name,), workflow.waiting
        yield m.FORGOTTEN, (name,), workflow.forgotten
        for status in FAILED:
            yield m.FAILURES, (name, status.value), counts[name, status.value]
    for task_type, workers in facts.pollers.items():
        yield m.POLLERS, (task_type,), workers


def disk_samples(artifacts: Path) -> Iterator[Sample]:
    """Yield how much room there is for artifacts, wherever their folder will be made."""
    place = next((folder for folder in (artifacts, *artifacts.parents) if folder.exists()), None)
    if place is not None:
        usage = shutil.disk_usage(place)
        yield m.DISK_FREE, (), usage.free
        yield m.DISK_SIZE, (), usage.total
