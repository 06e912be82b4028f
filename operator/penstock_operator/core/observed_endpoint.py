"""The world of one ModelEndpoint, gathered before a decision is made. Frozen values only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from penstock_operator.core.observed import JobView, Meta, PodView, Ref, Refusal, Trouble, VersionView
from penstock_spec import names
from penstock_spec.names import digest_label


@dataclass(frozen=True)
class Unit:
    """One version's bytes and how they are served, as the labels of its pods tell them: what a Service
    selects, a Deployment makes.
    """

    version: str
    digest: str  # the first 16 hex digits: names.digest_label
    settings: str = ""  # hash over the settings of its server; empty where an earlier Penstock made it

    @classmethod
    def of(cls, version: str, digest: str, settings: str = "") -> "Unit | None":
        """The unit of a version, its whole digest and settings; None where there is no version."""
        return cls(version, digest_label(digest), settings) if version else None

    @classmethod
    def labelled(cls, labels: Mapping[str, str]) -> "Unit":
        """The unit of the pods that have these labels."""
        keys = (names.LABEL_MODEL_VERSION, names.LABEL_MODEL_DIGEST, names.LABEL_SERVER_SETTINGS)
        return cls(*(labels.get(key, "") for key in keys))

    def serves(self, version: str, digest: str) -> bool:
        """Whether its model is this one, whatever its settings. `digest` is the whole one."""
        return (self.version, self.digest) == (version, digest_label(digest))


@dataclass(frozen=True)
class DeploymentView:
    """A Deployment of an endpoint."""

    meta: Meta
    unit: Unit  # whose pods it makes: from spec.selector, which nobody can change
    replicas: int  # spec.replicas; the other figures are the status's
    updated: int
    ready: int
    available: int
    observed_generation: int
    existing: int = 0  # pods that there are, old ones too
    available_since: datetime | None = None  # since when all wanted pods are available
    model: str = ""  # what its pods were told to serve
    digest: str = ""
    spec_hash: str = ""
    logged: bool = False  # whether its pods bring a prediction log to the store
    progress_failed: str = ""  # message of the condition Progressing when it is False
    replica_failure: str = ""  # message of the condition ReplicaFailure: pods that could not be created
    pods: Sequence[PodView] = ()


@dataclass(frozen=True)
class ServiceView:
    """The Service that has the endpoint's name, whoever owns it."""

    meta: Meta
    selector: Mapping[str, str]
    spec_hash: str = ""


@dataclass(frozen=True)
class CompanionView:
    """The autoscaler or disruption budget that has the endpoint's name, whoever owns it."""

    meta: Meta
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class ObservedEndpoint:
    """The world of plan_endpoint."""

    meta: Meta
    spec: Mapping[str, Any]
    status: Mapping[str, Any] = field(default_factory=dict)
    versions: Sequence[VersionView] = ()
    deployments: Sequence[DeploymentView] = ()  # controlled by this endpoint
    service: ServiceView | None = None
    autoscaler: CompanionView | None = None
    budget: CompanionView | None = None
    # Field managers by path ("spec.model.version"), who wrote last is last: field_managers.PATHS.
    managers: Mapping[str, Sequence[str]] = field(default_factory=dict)
    requested_by: str = ""  # the annotation penstock.dev/requested-by
    monitoring_follows: bool = False  # the annotation of that name
    jobs: Mapping[str, JobView] = field(default_factory=dict)  # by name; of windows, controlled by this one
    troubles: Mapping[str, Trouble] = field(default_factory=dict)  # by name of the Job or Deployment
    live: frozenset[Ref] = frozenset()  # what was read live for this observation, as the plan before it asked
    refusals: Mapping[str, Refusal] = field(default_factory=dict)  # by Apply.key
    watched_since: datetime | None = None  # when this operator looked for the first time, as of ObservedRun
