"""What the classifier must know of a step to read its pod."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from penstock_spec import contract


@dataclass(frozen=True)
class Expectation:
    """What the pod of a step should look like and give."""

    kind: str
    job: str  # that makes the pods
    namespace: str
    users_program: bool  # main is the user's; fetch and publish are ours
    outputs: Mapping[str, str] = field(default_factory=dict)  # name -> type
    results: Mapping[str, str] = field(default_factory=dict)  # small values: name -> type
    optional: frozenset[str] = frozenset()  # outputs that a good result may lack
    connection: str = ""  # ConfigMap and Secret that an ingest names
    store_secret: str = "penstock-store"  # noqa: S105 - the name of a Secret, not its content
    deadline: str = ""  # how long this attempt may run
    cpu: str = ""  # what this attempt's program asks for
    memory: str = ""  # the same, and its limit
    queue: str = ""  # of Kueue, in which its Job waits for room
    priority: str = ""  # the WorkloadPriorityClass that it waits with
    job_set: str = ""  # that makes the Job; empty where that stands alone
    workers: int = 1  # pods of a gang
    worker: int | None = None  # which of them is meant; None where there is only one
    watched_since: datetime | None = None  # by this operator; None: for as long as there was anything
    kept: bool = True  # whether its Job stays for a while when it has ended, for people to look at

    @property
    def teller(self) -> str:
        """The container whose termination message is the step's result."""
        return contract.PUBLISH if self.users_program else contract.MAIN

    def is_ours(self, container: str) -> bool:
        """Whether this container runs our program, so that its termination message may be believed."""
        return container != contract.MAIN or not self.users_program

    def logs(self, container: str = contract.MAIN) -> str:
        """The command that shows what the container said; empty where there will be nothing to look at."""
        if not self.kept:
            return ""
        if self.worker is None:
            return f"kubectl logs -n {self.namespace} job/{self.job} -c {container}"
        which = (
            f"batch.kubernetes.io/job-name={self.job},batch.kubernetes.io/job-completion-index={self.worker}"
        )
        return f"kubectl logs -n {self.namespace} -l {which} -c {container} --tail=-1"

    def describe_attempt(self) -> str:
        """The command that shows why there is no pod; empty as for `logs`."""
        if not self.kept:
            return ""
        kind, name = ("jobset", self.job_set) if self.job_set else ("job", self.job)
        return f"kubectl describe {kind} -n {self.namespace} {name}"

    def describe(self) -> str:
        """The command that shows why a pod does not start; empty as for `logs`."""
        which = f"-l batch.kubernetes.io/job-name={self.job}"
        return f"kubectl describe pod -n {self.namespace} {which}" if self.kept else ""
