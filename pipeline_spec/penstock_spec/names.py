"""Every word that users or other programs see: API group, kinds, labels, condition types, reasons. One place.

How single objects are named: object_names.py.

A reason is a PascalCase word that stands in a condition, an Event, a metric label and a status entry alike.
"""

from enum import StrEnum

GROUP = "penstock.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"

PIPELINE = "Pipeline"
PIPELINE_RUN = "PipelineRun"
MODEL_VERSION = "ModelVersion"
MODEL_ENDPOINT = "ModelEndpoint"
PLURALS = {
    PIPELINE: "pipelines",
    PIPELINE_RUN: "pipelineruns",
    MODEL_VERSION: "modelversions",
    MODEL_ENDPOINT: "modelendpoints",
}
SHORT_NAMES = {PIPELINE: "pl", PIPELINE_RUN: "plr", MODEL_VERSION: "mv", MODEL_ENDPOINT: "me"}

# Labels on what the operator makes. They serve selection by people and by our informer; no decision rests on
# them.
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_NAME = "app.kubernetes.io/name"
LABEL_COMPONENT = "app.kubernetes.io/component"
MANAGED_BY = "penstock"
LABEL_PIPELINE = f"{GROUP}/pipeline"
LABEL_RUN = f"{GROUP}/run"
LABEL_STEP = f"{GROUP}/step"
LABEL_TRIGGER = f"{GROUP}/trigger"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_CELL = f"{GROUP}/cell"  # number of the cell, on Jobs of steps with matrix or forEach
LABEL_ENDPOINT = f"{GROUP}/endpoint"
LABEL_MODEL = f"{GROUP}/model"
LABEL_MODEL_VERSION = f"{GROUP}/model-version"
# The first 16 hex digits of the served bytes' digest: two models that bear one name are told apart by it.
LABEL_MODEL_DIGEST = f"{GROUP}/model-digest"
# Hash over how it is served: spec.server, spec.resources, spec.authentication. Replaced like a model.
LABEL_SERVER_SETTINGS = f"{GROUP}/server-settings"
# sha256 (16 hex digits) of the manifest as we sent it: tells our own earlier creation from somebody else's
# object.
LABEL_SPEC_HASH = f"{GROUP}/spec-hash"
# On a ModelEndpoint: who asks, where the field manager's name alone would not say it.
ANNOTATION_REQUESTED_BY = f"{GROUP}/requested-by"
# On a ModelEndpoint that a deploy step has just made: its spec.monitoring comes with the next write.
ANNOTATION_MONITORING_FOLLOWS = f"{GROUP}/monitoring-follows"
# On the pods of a step's Job, as JSON: entries of the run's status that were not written when it was made.
ANNOTATION_RESTS_ON = f"{GROUP}/rests-on"
# On the Job that judges a window of an endpoint, and on its pod. Never the two labels by which an endpoint's
# Service selects the pods that serve.
LABEL_WINDOW_OF = f"{GROUP}/window-of"
LABEL_WINDOW_VERSION = f"{GROUP}/window-version"
# On a ConfigMap that describes a connection to data; a Secret of the same name holds its credentials.
LABEL_CONNECTION = f"{GROUP}/connection"

# Kueue's own: on a Job the queue in which it waits, on a Workload the Job that it stands for.
LABEL_QUEUE = "kueue.x-k8s.io/queue-name"
LABEL_QUEUE_PRIORITY = "kueue.x-k8s.io/priority-class"
LABEL_WORKLOAD_JOB = "kueue.x-k8s.io/job-uid"

# The Job controller's own, on a pod of an Indexed Job: its number.
ANNOTATION_WORKER = "batch.kubernetes.io/job-completion-index"

# Field managers of the deploy and the monitor step on a ModelEndpoint, and of all else that is applied.
MANAGER_DEPLOY = "penstock-deploy"
MANAGER_MONITOR = "penstock-monitor"
MANAGER_SCALE = "penstock-scale"  # on a Deployment that goes on serving while another version is wanted
MANAGER_OPERATOR = "penstock"

# Fixed names in each namespace that runs pipelines.
STORE_SECRET = "penstock-store"  # noqa: S105 - the name of a Secret, not its content
MODEL_NUMBERS = "penstock-model-numbers"
DEFAULTS = "penstock-defaults"  # a ConfigMap that people write: docs/housekeeping.md

STEP_SERVICE_ACCOUNT = "default"  # no token is mounted, so it needs no rights


class Condition(StrEnum):
    """Types of the conditions; the words follow kstatus (Ready, Reconciling, Stalled)."""

    READY = "Ready"
    ACCEPTED = "Accepted"
    LAST_RUN_SUCCEEDED = "LastRunSucceeded"
    ARCHIVE_FAILING = "ArchiveFailing"  # shown while records of runs cannot be written
    DEFAULTS_ACCEPTED = "DefaultsAccepted"  # where the namespace has any
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    FINISHED = "Finished"
    SUCCEEDED = "Succeeded"
    # of a watched endpoint; none of them touches Ready, Reconciling or Stalled
    DRIFTED = "Drifted"
    UNSEEN_CATEGORIES = "UnseenCategories"
    NULL_BURST = "NullBurst"
    UNIT_CHANGED = "UnitChanged"


class FailureClass(StrEnum):
    """Who is to blame for a failed attempt, and so who pays for the retry. See docs/failures.md."""

    USER_ERROR = "UserError"
    OUT_OF_MEMORY = "OutOfMemory"
    OUT_OF_DISK = "OutOfDisk"
    DISRUPTION = "Disruption"
    IMAGE_UNAVAILABLE = "ImageUnavailable"
    INVALID_CONTAINER = "InvalidContainer"
    UNSCHEDULABLE = "Unschedulable"
    DEADLINE = "Deadline"
    INVALID_RESULT = "InvalidResult"
    STORE_UNAVAILABLE = "StoreUnavailable"
    INPUT_MISSING = "InputMissing"


class Reason(StrEnum):
    """Reasons beside the failure classes, whose values are reasons too."""

    # Pipeline
    ACCEPTED = "Accepted"
    INVALID_SPEC = "InvalidSpec"
    ARCHIVE_FAILED = "ArchiveFailed"  # an Event: records of runs could not be written several times
    INVALID_DEFAULTS = "InvalidDefaults"  # of the namespace: penstock-defaults
    ARTIFACTS_FOUND = "ArtifactsFound"  # the sweeper found some that nothing refers to, and left them
    ARTIFACTS_SWEPT = "ArtifactsSwept"  # it deleted some
    NOTHING_TO_SWEEP = "NothingToSweep"
    SWEEP_FAILED = "SweepFailed"  # an Event: the first failure of a series
    TOO_MANY_REFERENCES = "TooManyReferences"  # more than one Job can be told; nothing is swept
    # run
    WAITING_FOR_RUN = "WaitingForRun"  # another run of the same Pipeline is not finished
    RUN_NOT_FOUND = "RunNotFound"  # the one to be repeated
    INVALID_RERUN = "InvalidRerun"
    INVALID_BACKFILL = "InvalidBackfill"
    BACKFILLING = "Backfilling"
    BACKFILL_FAILED = "BackfillFailed"  # at least one of its runs has
    RUN_FORBIDDEN = "RunForbidden"  # another one is unfinished, and policy.concurrency forbids two
    RUN_REPLACED = "RunReplaced"  # a newer one came, and policy.concurrency is Replace
    PIPELINE_NOT_FOUND = "PipelineNotFound"
    REVISION_NOT_FOUND = "RevisionNotFound"
    REVISION_CORRUPT = "RevisionCorrupt"
    INVALID_PARAMETERS = "InvalidParameters"
    NO_NEW_DATA = "NoNewData"  # a trigger's run found everything as it was
    TRIGGER_GAVE_UP = "TriggerGaveUp"  # an Event: model after model did not pass
    SOURCE_UNREACHABLE = "SourceUnreachable"  # what a trigger watches does not answer
    SOURCE_REFUSED = "SourceRefused"  # it answers, but not with what was asked for
    RUN_SKIPPED = "RunSkipped"  # an Event: a trigger's time came and nothing was started
    SUCCEEDED = "Succeeded"
    STEPS_WAITING = "StepsWaiting"
    # run of mode Plan, and its steps
    PLANNED = "Planned"
    WOULD_RUN = "WouldRun"
    WOULD_FAIL = "WouldFail"  # it is known already that it cannot end well
    WOULD_REUSE = "WouldReuse"
    WOULD_SKIP = "WouldSkip"
    UNKNOWN_YET = "UnknownYet"
    # step, while it lives
    POD_ENDING = "PodEnding"  # of a Job of it that somebody deleted before anybody knew of that
    WAITING_FOR_STEPS = "WaitingForSteps"
    CREATED = "Created"  # the Job exists, no pod yet
    QUOTA_EXCEEDED = "QuotaExceeded"
    MAX_PARALLEL = "MaxParallel"  # as many Jobs are under way as policy.maxParallel or the step allows
    NAMESPACE_FULL = "NamespaceFull"  # as many Jobs of runs live in it as the installation allows
    SCHEDULING = "Scheduling"
    PULLING_IMAGE = "PullingImage"
    FETCHING = "Fetching"  # the inputs of a user's program are being laid out
    PUBLISHING = "Publishing"  # what a user's program wrote is being checked and stored
    INGESTING = "Ingesting"
    SPLITTING = "Splitting"
    TRAINING = "Training"
    VALIDATING = "Validating"
    DEPLOYING = "Deploying"
    WATCHING = "Watching"  # the endpoint is taking its monitoring over
    RUNNING = "Running"
    DELETING = "Deleting"  # its pod or Job is being deleted
    SUSPENDED = "Suspended"  # its Job is, by a queueing system
    QUEUE_UNAVAILABLE = "QueueUnavailable"  # its Job waits in a queue of Kueue, and there is no Kueue
    RUN_SUSPENDED = "RunSuspended"  # by spec.suspend of the run
    PIPELINE_SUSPENDED = "PipelineSuspended"  # by spec.suspend of the Pipeline
    # step, at its end
    COMPLETED = "Completed"
    UNCHANGED = "Unchanged"  # reused: the digest of what determines the result is known
    WHEN_NOT_MET = "WhenNotMet"  # skipped by its own `when`
    INPUT_SKIPPED = "InputSkipped"  # skipped, for a step whose output it takes was
    RUN_CANCELLED = "RunCancelled"
    RUN_EXPIRED = "RunExpired"  # it took longer than policy.deadline
    FAILURE_STOPPED_RUN = "FailureStoppedRun"  # another step failed, and policy.onFailure is Stop
    INVALID_VALUE = "InvalidValue"  # a result does not fit the field that takes its value
    NOT_CONVERGED = "NotConverged"  # a step was repeated as often as it may be, and is not good enough
    TOO_MANY_CELLS = "TooManyCells"  # a list has more items than one run can hold
    STEP_FAILED = "StepFailed"  # blocked: a step it needs failed or is blocked
    THRESHOLD_NOT_MET = "ThresholdNotMet"
    INCONCLUSIVE = "Inconclusive"
    IMAGE_RUNS_AS_ROOT = "ImageRunsAsRoot"
    EVICTED = "Evicted"  # for its own use of the disk
    CHILD_EXPIRED = "ChildExpired"  # the run of the pipeline that the step is took longer than that allows
    CHILD_CANCELLED = "ChildCancelled"  # somebody cancelled it
    NESTED_TOO_DEEP = "NestedTooDeep"  # pipelines within pipelines without end
    STORE_NOT_CONFIGURED = "StoreNotConfigured"
    CONNECTION_NOT_FOUND = "ConnectionNotFound"
    NAME_COLLISION = "NameCollision"  # an object of ours is not ours: another owner holds its name
    REJECTED_BY_CLUSTER = "RejectedByCluster"  # the API server refused the object for good
    # models and endpoints
    CANDIDATE = "Candidate"
    GATE_PASSED = "GatePassed"
    GATE_FAILED = "GateFailed"
    SERVING = "Serving"
    STARTING = "Starting"
    ROLLING_OUT = "RollingOut"
    REPLACED = "Replaced"
    MODEL_VERSION_NOT_FOUND = "ModelVersionNotFound"
    DIGEST_MISMATCH = "DigestMismatch"  # the ModelVersion of that name has other bytes
    MODEL_NOT_APPROVED = "ModelNotApproved"
    FIELD_OWNED = "FieldOwned"
    DEADLINE_EXCEEDED = "DeadlineExceeded"
    PINNED = "Pinned"  # spec.rollbackTo holds, and what it names serves
    ENDPOINT_PINNED = "EndpointPinned"  # spec.rollbackTo is set
    REVISION_UNKNOWN = "RevisionUnknown"  # spec.rollbackTo names none of status.history
    # why a revision began to serve
    DEPLOYED = "Deployed"
    REPLACED_BY_HAND = "ReplacedByHand"
    ROLLED_BACK = "RolledBack"
    SETTINGS_REPLACED = "SettingsReplaced"  # an Event: the same model, by another spec.server and so on
    ROLLBACK_CLEARED = "RollbackCleared"
    ENDPOINT_NOT_FOUND = "EndpointNotFound"
    # monitoring: windows and what they find
    NO_WINDOW_YET = "NoWindowYet"  # none has been judged for the version that serves
    DRIFT_FOUND = "DriftFound"
    NO_DRIFT = "NoDrift"
    INSUFFICIENT_SAMPLES = "InsufficientSamples"
    LOG_CORRUPT = "LogCorrupt"
    NO_PROFILE = "NoProfile"  # the served model has no profile of its training data
    UNKNOWN_COLUMN = "UnknownColumn"  # spec.monitoring names a column that the served model does not take
    MONITORING_UNSUPPORTED = "MonitoringUnsupported"  # the pods run another server than ours
    UNSEEN_CATEGORIES = "UnseenCategories"
    NULL_BURST = "NullBurst"
    UNIT_CHANGED = "UnitChanged"
    AS_IN_TRAINING = "AsInTraining"  # nothing of the kind was found
    # Events, beside those above
    RUN_STARTED = "RunStarted"
    RUN_SUGGESTED = "RunSuggested"
    RUN_SUCCEEDED = "RunSucceeded"
    RUN_FAILED = "RunFailed"
    STEP_SUCCEEDED = "StepSucceeded"
    STEP_REUSED = "StepReused"
    STEP_SKIPPED = "StepSkipped"
    STEP_RETRYING = "StepRetrying"
    DRIFTED = "Drifted"
    DRIFT_ENDED = "DriftEnded"
    DATA_QUALITY_RESTORED = "DataQualityRestored"
    WINDOW_UNKNOWN = "WindowUnknown"  # a window could not be judged, for another reason than too few rows
    WINDOWS_SKIPPED = "WindowsSkipped"


class StatusWord(StrEnum):
    """Words of the STATUS column of pipelines and runs."""

    WAITING = "Waiting"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"
    CANCELLED = "Cancelled"
    PLANNED = "Planned"
    EXPIRED = "Expired"
    SUSPENDED = "Suspended"
    REFUSED = "Refused"


def digest_label(digest: str) -> str:
    """The value of LABEL_MODEL_DIGEST for these bytes."""
    return digest.removeprefix("sha256:")[:16]
