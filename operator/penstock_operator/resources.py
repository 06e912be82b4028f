"""The kinds that the operator deals with, and where each lives in the API."""

from collections.abc import Mapping
from dataclasses import dataclass

from penstock_spec import names


@dataclass(frozen=True)
class Resource:
    """One kind of the API. `group` is empty for the core group."""

    kind: str
    group: str
    version: str
    plural: str

    @property
    def api_version(self) -> str:
        """The value of apiVersion in a manifest."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The URL path of the collection (of all namespaces where `namespace` is None) or of one object."""
        root = f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"
        scope = "" if namespace is None else f"/namespaces/{namespace}"
        parts = [root + scope, self.plural, name, subresource]
        return "/".join(part for part in parts if part)


POD, JOB, DEPLOYMENT, SERVICE = "Pod", "Job", "Deployment", "Service"
AUTOSCALER, BUDGET = "HorizontalPodAutoscaler", "PodDisruptionBudget"
CONTROLLER_REVISION, CONFIG_MAP, EVENT, ACCESS_REVIEW = (
    "ControllerRevision",
    "ConfigMap",
    "Event",
    "SelfSubjectAccessReview",
)

_BUILT_IN = (
    Resource(POD, "", "v1", "pods"),
    Resource(JOB, "batch", "v1", "jobs"),
    Resource(DEPLOYMENT, "apps", "v1", "deployments"),
    Resource(SERVICE, "", "v1", "services"),
    Resource(AUTOSCALER, "autoscaling", "v2", "horizontalpodautoscalers"),
    Resource(BUDGET, "policy", "v1", "poddisruptionbudgets"),
    Resource(CONTROLLER_REVISION, "apps", "v1", "controllerrevisions"),
    Resource(CONFIG_MAP, "", "v1", "configmaps"),
    Resource(EVENT, "", "v1", "events"),
    Resource(ACCESS_REVIEW, "authorization.k8s.io", "v1", "selfsubjectaccessreviews"),
)
# Kueue's: read only where a Job is suspended, for its words. The newer version first.
WORKLOADS = ("Workload", "Workload of v1beta1")
_KUEUE = tuple(
    Resource(kind, "kueue.x-k8s.io", version, "workloads")
    for kind, version in zip(WORKLOADS, ("v1beta2", "v1beta1"), strict=True)
)
# Where it is served, gangs are of this kind; where not, of Jobs.
JOB_SET = "JobSet"
_JOB_SETS = (Resource(JOB_SET, "jobset.x-k8s.io", "v1alpha2", "jobsets"),)
_CUSTOM = tuple(Resource(kind, names.GROUP, names.VERSION, plural) for kind, plural in names.PLURALS.items())

RESOURCES: Mapping[str, Resource] = {one.kind: one for one in (*_BUILT_IN, *_KUEUE, *_JOB_SETS, *_CUSTOM)}
# Reported by kopf; whoever creates them, users included.
CUSTOM_KINDS = tuple(one.kind for one in _CUSTOM)
# Reported by our own informer; only what carries the label of LABEL_MANAGED_BY.
CHILD_KINDS = (POD, JOB, DEPLOYMENT, SERVICE, AUTOSCALER, BUDGET)
MANAGED_SELECTOR = f"{names.LABEL_MANAGED_BY}={names.MANAGED_BY}"
# Of these, one object of each namespace: the right to read it is a right to that name.
NAMED_KINDS: Mapping[str, str] = {CONFIG_MAP: names.DEFAULTS}
WATCHED_KINDS = (*CHILD_KINDS, *NAMED_KINDS)
# Watched too, of those that the API server serves when the operator starts.
OPTIONAL_KINDS = (JOB_SET,)


def labels_of(kind: str) -> str:
    """The label selector with which a kind is listed and watched."""
    return MANAGED_SELECTOR if kind in (*CHILD_KINDS, *OPTIONAL_KINDS) else ""


def fields_of(kind: str) -> str:
    """The field selector with which a kind is listed and watched."""
    return f"metadata.name={NAMED_KINDS[kind]}" if kind in NAMED_KINDS else ""
