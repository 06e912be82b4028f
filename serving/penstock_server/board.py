"""What the workers of one server know of each other: a few numbers in memory that all of them share."""

import mmap
import os
from collections.abc import Iterator, Mapping

from prometheus_client import ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

_STARTED, _REPLACED, _FIRST = 0, 1, 2
_DEAD = 0


class Board:
    """Whether every worker had loaded once, how many were replaced, and each one's process id once loaded."""

    def __init__(self, workers: int, file: int | None = None) -> None:
        """A board for that many workers: `file` is what another process gave, None makes a new one."""
        self.file = os.memfd_create("board") if file is None else file
        size = (_FIRST + workers) * 8
        if file is None:
            os.ftruncate(self.file, size)
        self._numbers = memoryview(mmap.mmap(self.file, size)).cast("q")

    def loaded(self, worker: int, process: int) -> None:
        """This worker can answer."""
        self._numbers[_FIRST + worker] = process
        if all(self.processes):
            self._numbers[_STARTED] = 1

    def died(self, worker: int) -> None:
        """This worker is gone; another takes its place."""
        self._numbers[_FIRST + worker] = _DEAD
        self._numbers[_REPLACED] += 1

    @property
    def started(self) -> bool:
        """Whether every worker had loaded. It stays so: a replaced one listens once it can answer."""
        return self._numbers[_STARTED] == 1

    @property
    def replaced(self) -> int:
        """How many workers died and were replaced."""
        return self._numbers[_REPLACED]

    @property
    def processes(self) -> list[int]:
        """The process ids by worker; 0 while it has not loaded."""
        return self._numbers[_FIRST:].tolist()


class Workers(Collector):
    """Figures of the processes, summed: the library's own are those of one process only."""

    def __init__(self, board: Board, labels: Mapping[str, str]) -> None:
        """`labels` say what is served."""
        self._board = board
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        """The series."""
        living = [process for process in self._board.processes if process != _DEAD]
        names, values = list(self._labels), list(self._labels.values())
        count = GaugeMetricFamily(
            "penstock_server_workers", "Worker processes that can answer.", labels=names
        )
        count.add_metric(values, len(living))
        yield count
        replaced = CounterMetricFamily(
            "penstock_server_workers_replaced", "Worker processes that died and were replaced.", labels=names
        )
        replaced.add_metric(values, self._board.replaced)
        yield replaced
        if len(self._board.processes) > 1:
            yield from _summed(living)


def _summed(processes: list[int]) -> Iterator[Metric]:
    """The process_* series over all these processes; one that ends meanwhile counts for nothing."""
    sums: dict[str, Metric] = {}
    for process in processes:
        for family in ProcessCollector(pid=lambda process=process: process, registry=None).collect():  # type: ignore[misc]  # mypy cannot tell the type of this lambda
            if family.name in ("process_max_fds", "process_start_time_seconds"):
                continue  # a sum of these says nothing
            found = sums.get(family.name)
            if found is None:
                sums[family.name] = family
            else:
                first = found.samples[0]
                found.samples[0] = first._replace(value=first.value + family.samples[0].value)
    yield from sums.values()
