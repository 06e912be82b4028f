"""A gang's attempt as a JobSet, where the cluster has that kind (jobset.x-k8s.io).

JobSet's controller makes the one Job, exactly as it would stand alone, and the headless Service. Attempts are
ours, so a Job that fails is the end of its JobSet.
"""

from dataclasses import replace
from typing import Any

from penstock_operator.manifests import jobs
from penstock_operator.manifests.identity import with_hash
from penstock_operator.manifests.settings import PodSettings

API_VERSION, JOB_SET = "jobset.x-k8s.io/v1alpha2", "JobSet"
_PART = "workers"  # the one replicated Job


def job_name(job_set: str) -> str:
    """The name that JobSet's controller gives to the Job: <JobSet>-<part>-<index>."""
    return f"{job_set}-{_PART}-0"


def set_of(job: str) -> str:
    """The JobSet whose Job has this name; empty where none would name one so."""
    suffix = job_name("")
    return job.removesuffix(suffix) if job.endswith(suffix) else ""


def job_set(attempt: jobs.Attempt, settings: PodSettings) -> dict[str, Any]:
    """The JobSet's manifest, with its hash; `attempt` has its name."""
    inner = replace(attempt, name=job_name(attempt.name), job_set=attempt.name)
    return with_hash(
        {
            "apiVersion": API_VERSION,
            "kind": JOB_SET,
            "metadata": jobs.metadata(attempt, attempt.name),
            "spec": {
                **jobs.suspended(attempt),
                "network": {"enableDNSHostnames": True, "publishNotReadyAddresses": True},
                "successPolicy": {"operator": "All"},
                "failurePolicy": {"maxRestarts": 0},
                "replicatedJobs": [
                    {
                        "name": _PART,
                        "replicas": 1,
                        "template": {
                            # By these labels the Job is watched.
                            "metadata": {"labels": jobs.attempt_labels(attempt)},
                            "spec": jobs.job_spec(inner, settings),
                        },
                    }
                ],
            },
        }
    )
