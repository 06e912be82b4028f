"""Values of the installation that decisions use: grace times, budgets, images. The chart writes them as one
JSON text.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from penstock_operator.manifests.settings import PodSettings
from penstock_spec.names import FailureClass

GANGS = ("Auto", "IndexedJob")


class SettingsError(ValueError):
    """A setting that is unknown or of the wrong type. The message names it."""


@dataclass(frozen=True)
class Budget:
    """How often a class of failure is retried, and how long before each retry.

    The n-th retry waits min(first * factor**(n-1), maximum) seconds.
    """

    retries: int
    first: float = 0.0
    factor: float = 2.0
    maximum: float = 60.0

    def wait(self, retry: int) -> float:
        """Seconds before the retry of this number, from 1."""
        return float(min(self.first * self.factor ** (retry - 1), self.maximum))


DEFAULT_BUDGETS: Mapping[FailureClass, Budget] = {
    FailureClass.USER_ERROR: Budget(0),
    FailureClass.OUT_OF_MEMORY: Budget(2),
    FailureClass.OUT_OF_DISK: Budget(0),
    FailureClass.DISRUPTION: Budget(20, first=1.0),
    FailureClass.IMAGE_UNAVAILABLE: Budget(0),
    FailureClass.INVALID_CONTAINER: Budget(0),
    FailureClass.UNSCHEDULABLE: Budget(0),
    FailureClass.DEADLINE: Budget(0),
    FailureClass.INVALID_RESULT: Budget(0),
    FailureClass.STORE_UNAVAILABLE: Budget(5, first=1.0),
    FailureClass.INPUT_MISSING: Budget(1),
}


@dataclass(frozen=True)
class Settings:
    """Everything that an installation may set about decisions. Times are in seconds."""

    pods: PodSettings = field(default_factory=PodSettings)
    image_grace: float = 120.0  # an image that cannot be had
    container_grace: float = 60.0  # a container that cannot be made: missing Secret, root, no such program
    inquiry_after: float = 10.0  # a Job without a started pod: read its Events
    start_deadline: float = 600.0  # from the Job's creation to the first container
    pipeline_grace: float = 60.0  # a run whose Pipeline is not there (yet)
    gangs: str = "Auto"  # JobSets where the cluster has them; or always IndexedJob
    gang_grace: float = 5.0  # a program of a gang has failed: the others' ends may explain why
    finish_grace: float = 30.0  # a failed attempt whose Job does not end by itself is deleted then
    revision_grace: float = 300.0  # a frozen spec that no run names (yet) is younger than this
    late_start: float = 300.0  # a scheduled start that comes later than this was missed
    resync: float = 60.0  # every unfinished object is looked at again at least so often
    # A day, as the sweeper of artifacts counts `keep` and its day of grace; shorter only where that is tried.
    sweep_day: float = 86400.0
    settle: float = 5.0  # what served before stays so long after a switch: every node has to hear of it
    memory_factor: float = 1.5  # how memory, or scratch space, grows after an attempt ran out of it
    max_parallel: int = 0  # Jobs of runs that may live in one namespace at a time; 0: any number
    log_tails: int = 10  # failed steps of a run that keep their last lines in status
    log_bytes: int = 2048
    budgets: Mapping[FailureClass, Budget] = field(default_factory=lambda: DEFAULT_BUDGETS)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> "Settings":
        """Settings from a mapping with camelCase names, e.g. {"imageGrace": 30, "pods": {"stepsImage":
        "..."}}.

        What is not given keeps its default. Raises SettingsError naming the first wrong setting.
        """
        found: Settings = _read(cls, data, "settings", special=_SPECIAL)
        return found

    @classmethod
    def from_json(cls, text: str) -> "Settings":
        """`from_mapping` of a JSON text. Raises SettingsError when it is none."""
        try:
            data = json.loads(text)
        except ValueError as error:
            raise SettingsError(f"settings: not JSON: {error}") from error
        if not isinstance(data, dict):
            raise SettingsError("settings: a JSON object is expected")
        return cls.from_mapping(data)


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(word.capitalize() for word in rest)


def _read(cls: type, data: Any, path: str, special: Mapping[str, Any] | None = None) -> Any:
    """An instance of the dataclass `cls` from camelCase `data`, defaults taken from its fields."""
    if not isinstance(data, Mapping):
        raise SettingsError(f"{path}: a mapping is expected")
    default = cls() if cls is not Budget else Budget(0)
    known = {_camel(one.name): one.name for one in fields(cls)}
    values: dict[str, Any] = {}
    for key, value in data.items():
        if key not in known:
            raise SettingsError(f"{path}.{key}: unknown; known are {', '.join(sorted(known))}")
        name = known[key]
        if special is not None and name in special:
            values[name] = special[name](value, f"{path}.{key}")
        else:
            values[name] = _checked(value, getattr(default, name), f"{path}.{key}")
    return cls(**values)


def _checked(value: Any, default: Any, path: str) -> Any:
    """`value` in the type of `default`; numbers may not be negative, texts not empty."""
    if isinstance(default, str):
        if not isinstance(value, str) or not value:
            raise SettingsError(f"{path}: a text is expected, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise SettingsError(f"{path}: a number that is not negative is expected, not {value!r}")
    if isinstance(default, int):
        if value != int(value):
            raise SettingsError(f"{path}: a whole number is expected, not {value!r}")
        return int(value)
    return float(value)


def _gangs(data: Any, path: str) -> str:
    if data not in GANGS:
        raise SettingsError(f"{path}: one of {', '.join(GANGS)} is expected, not {data!r}")
    return str(data)


def _pods(data: Any, path: str) -> PodSettings:
    found: PodSettings = _read(PodSettings, data, path)
    return found


def _budgets(data: Any, path: str) -> Mapping[FailureClass, Budget]:
    if not isinstance(data, Mapping):
        raise SettingsError(f"{path}: a mapping from failure class to budget is expected")
    found = dict(DEFAULT_BUDGETS)
    for name, budget in data.items():
        if name not in set(FailureClass):
            raise SettingsError(f"{path}.{name}: unknown class; known are {', '.join(FailureClass)}")
        if not isinstance(budget, Mapping):
            raise SettingsError(f"{path}.{name}: a mapping is expected")
        default = found[FailureClass(name)]
        given = {_camel(one.name): getattr(default, one.name) for one in fields(Budget)} | dict(budget)
        found[FailureClass(name)] = _read(Budget, given, f"{path}.{name}")
    return found


# Settings that are more than a number or a text.
_SPECIAL: Mapping[str, Any] = {"budgets": _budgets, "gangs": _gangs, "pods": _pods}
