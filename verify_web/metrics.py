"""Counters of one process of the site, in the Prometheus text format."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from registry.defects import Defects

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """One registry an application, so that two applications in a process do not meet."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.verdicts = Counter(
            "vermilion_verdicts", "Checks answered", ["way", "verdict"], registry=self.registry
        )
        self._verdicts: dict[tuple[str, str], Counter] = {}
        self.reports = Counter(
            "vermilion_reports", "Files reported on, and how it came", ["explained"], registry=self.registry
        )
        self.limited = Counter(
            "vermilion_typed_limited", "Typed look-ups over a limit", registry=self.registry
        )
        self.alarms = Counter(
            "vermilion_alarms", "Signs of key compromise", ["reason"], registry=self.registry
        )
        self.alerts = Counter(
            "vermilion_scanned_often",
            "Licences scanned unusually often in a day",
            ["scans"],
            registry=self.registry,
        )
        self.defects = Defects(self.registry)
        self.seconds = Histogram(
            "vermilion_request_seconds",
            "Time to answer",
            ["route"],
            buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0),
            registry=self.registry,
        )

    def verdict(self, way: str, verdict: str) -> Counter:
        """The counter of one way and verdict; looking it up costs more than to count."""
        found = self._verdicts.get((way, verdict))
        if found is None:
            found = self._verdicts[way, verdict] = self.verdicts.labels(way, verdict)
        return found

    def text(self) -> bytes:
        return generate_latest(self.registry)
