"""What a decision asks for. Plain data; `act.py` carries it out in the order of the fields of `Plan`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock_operator.core.observed import Ref

# Kinds whose objects bear the name of the Service that they stand beside.
COMPANIONS = ("HorizontalPodAutoscaler", "PodDisruptionBudget")


@dataclass(frozen=True)
class Create:
    """Create this object under its deterministic name. A 409 adopts it if owner uid and spec hash match,
    else refuses.
    """

    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class Apply:
    """Server-side apply. A conflict becomes the refusal FieldOwned that names the other manager.

    Forced only on an object whose controller is the planned one: what others changed of it is put right.
    """

    manifest: Mapping[str, Any]
    manager: str
    force: bool = False

    @property
    def key(self) -> str:
        """Under what a refusal is filed: the name, and for those that share a Service's name the kind too."""
        kind, name = self.manifest["kind"], str(self.manifest["metadata"]["name"])
        return f"{kind} {name}" if kind in COMPANIONS else name


@dataclass(frozen=True)
class Delete:
    """Delete exactly this object: the uid is a precondition. Not found is success."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class Cancel:
    """Set spec.cancel of exactly this PipelineRun: the uid is a precondition. Not found is success."""

    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class RegisterModel:
    """Give the model's bytes a number and create the ModelVersion; the same bytes keep the number they have.

    `manifest` lacks metadata.name and spec.number, which `act` fills in. A refusal stands under the model's
    name.
    """

    model: str
    digest: str
    manifest: Mapping[str, Any]


@dataclass(frozen=True)
class SetOwner:
    """Add this controller reference to an object that has no controller (a run that a person created)."""

    kind: str
    namespace: str
    name: str
    uid: str
    owner: Mapping[str, Any]


@dataclass(frozen=True)
class PatchStatus:
    """Replace the whole status of an object beside the planned one, if its resourceVersion is still this."""

    kind: str
    namespace: str
    name: str
    resource_version: str
    status: Mapping[str, Any]


@dataclass(frozen=True)
class EventNote:
    """A Kubernetes Event about the planned object; emitted only after the status write has succeeded."""

    reason: str
    message: str
    warning: bool = False


Action = Create | Apply | Delete | Cancel | RegisterModel | SetOwner | PatchStatus


@dataclass(frozen=True)
class Plan:
    """The answer to "what now?". The same world always gives the same plan, and a plan carried out gives an
    empty one.
    """

    # Objects that a decision may not take from a cache: the shell reads them live, adds them to `live` (the
    # views updated)
    # and plans again. Nothing else of a plan with `confirm` is carried out.
    confirm: Sequence[Ref] = ()
    # Jobs that have been stuck long enough to read their Events, and those of their pods. Where the shell
    # finds any
    # that it has not looked for in this pass, it fills `troubles` and plans again; else it carries out the
    # plan.
    inquire: Sequence[str] = ()
    # Before the status write, in this order. The first that fails ends the carrying out: a refusal for good
    # (or by quota)
    # goes into `refusals` and the shell plans again; anything else is tried again later from a new
    # observation.
    # After RegisterModel, Apply, SetOwner and PatchStatus the shell plans again with what they gave.
    actions: Sequence[Action] = ()
    status: Mapping[str, Any] | None = (
        None  # the wanted status of the planned object; None where it is right already
    )
    after: Sequence[
        Action
    ] = ()  # only after the status has been written: deletions of what has been recorded
    events: Sequence[EventNote] = ()
    look_again: datetime | None = None  # the next time at which the answer may change without an event
    pressing: bool = False  # the status is built upon, though neither a step's end nor an Event says so
    bearable: bool = False  # Jobs may be made upon what has ended before that is written, if they say it
    unhurried: bool = False  # what has ended, and ended well, lets nothing begin: its write may wait for more
    steps_ended: Mapping[str, str] = field(
        default_factory=dict
    )  # step -> state, for metrics, when it ended just now
