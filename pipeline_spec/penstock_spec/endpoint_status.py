"""What a ModelEndpoint reports: what serves, what is on its way, and everything that ever served."""

from collections.abc import Sequence
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from penstock_spec.base import ListMap, Rule, SpecModel
from penstock_spec.monitoring_status import MonitoringStatus
from penstock_spec.status import Conditions, Name63, Sentence, Time, Word

LongDigest = Annotated[str, StringConstraints(max_length=71)]
HISTORY_LENGTH = 50


class RevisionEntry(SpecModel):
    """A time during which an endpoint served one model. Written once; only its end is added."""

    revision: int = Field(ge=1, description="Number of the change, from 1; never given twice.")
    model: Name63 = Field(default="", description="Model that the served version belongs to.")
    version: Name63 = Field(description="ModelVersion that took all traffic.")
    digest: LongDigest = Field(description="Digest of the bytes that answered.")
    actor: Annotated[str, StringConstraints(max_length=128)] = Field(
        default="",
        description="Who asked for it: the run and step of a deploy, or the program that wrote the field.",
    )
    reason: Word = Field(description="Deployed, ReplacedByHand, RolledBack or RollbackCleared.")
    from_: Time = Field(alias="from", description="When it took over, RFC 3339 in UTC.")
    until: Time = Field(default="", description="When the next one took over; absent while it serves.")


class RolloutStatus(SpecModel):
    """The version that is to take over. Its deadline is counted from here."""

    model: Name63 = Field(default="", description="Model that the version belongs to.")
    version: Name63 = Field(description="ModelVersion that is to take over.")
    digest: LongDigest = Field(description="Digest of the bytes that it must answer from.")
    actor: Annotated[str, StringConstraints(max_length=128)] = Field(
        default="", description="Who asked for it, as the history will say."
    )
    reason: Word = Field(default="", description="Why it is to serve, as the history will say.")
    request: Word = Field(description="Hash over all that was asked for; another request starts anew.")
    started_at: Time = Field(description="From when the deadline counts, RFC 3339 in UTC.")
    refused: Sentence = Field(
        default="", description="Why it never takes over: it was not ready in time. Stays for this request."
    )


class PodsStatus(SpecModel):
    """The pods that serve, as `kubectl scale` and autoscalers read them."""

    replicas: int = Field(description="How many pods of the serving version there are.")
    selector: Annotated[str, StringConstraints(max_length=512)] = Field(
        description="Labels by which the serving pods are found."
    )


class ModelEndpointStatus(SpecModel):
    """What serves, and what is on its way."""

    cel_rules: ClassVar[tuple[Rule, ...]] = (
        Rule(
            "!has(oldSelf.revision) || (has(self.revision) && self.revision >= oldSelf.revision)",
            "revisions only grow",
        ),
    )

    observed_generation: int = Field(
        default=0, description="Generation of the spec that this status speaks of."
    )
    conditions: Conditions = Field(default=(), max_length=16, description="Ready, Reconciling, Stalled.")
    stable: Name63 = Field(default="", description="ModelVersion that takes all traffic now.")
    stable_digest: LongDigest = Field(
        default="", description="Digest of the model that takes all traffic now."
    )
    stable_settings: Word = Field(
        default="",
        description="Hash over spec.server, spec.resources and spec.authentication as those pods have them.",
    )
    switched_at: Time = Field(
        default="", description="When those pods took all traffic over, RFC 3339 in UTC."
    )
    next: Name63 = Field(
        default="",
        description="ModelVersion that is starting and will take over when ready; the stable one where only "
        "the settings of its server change.",
    )
    revision: int | None = Field(default=None, description="Number of the entry of history that serves now.")
    history: Annotated[Sequence[RevisionEntry], ListMap("revision")] = Field(
        default=(),
        max_length=HISTORY_LENGTH,
        description="Everything that ever served, newest last; the oldest entries are dropped.",
    )
    rollout: RolloutStatus | None = Field(
        default=None, description="The version that is to take over, or was refused."
    )
    replicas: Word = Field(
        default="", description="Ready pods out of wanted ones of the stable version: 2/2."
    )
    pods: PodsStatus | None = Field(default=None, description="The pods of the stable version.")
    url: Annotated[str, StringConstraints(max_length=256)] = Field(
        default="", description="Where clients in the cluster reach it: http://tumour.ml.svc"
    )
    message: Sentence = Field(default="", description="What holds, in words.")
    drifted: Word = Field(
        default="",
        description="Whether the data drifts, for a column: True, False, Unknown; empty unless watched.",
    )
    quality: Word = Field(
        default="",
        description="Quality of the newest window's data, for a column: Ok, Unknown, or the conditions that "
        "are True: UnitChanged,NullBurst; empty unless watched.",
    )
    monitoring: MonitoringStatus | None = Field(
        default=None, description="What has been seen of the traffic, where spec.monitoring is set."
    )
