"""What manifests need to know of the installation: images and defaults. Part of core.settings, kept here
because
manifests stand below the core."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PodSettings:
    """Images and defaults of the pods that the operator makes; all are chart values."""

    steps_image: str = "penstock/steps:0.1.0"
    server_image: str = "penstock/server:0.1.0"
    image_pull_policy: str = "IfNotPresent"
    store_secret: str = "penstock-store"  # noqa: S105 - the name of a Secret, not its content
    default_cpu: str = "250m"  # of a step that asks for none
    default_memory: str = "1Gi"
    helper_memory: str = "512Mi"  # of fetch and publish around a user's program
    termination_grace_seconds: int = 30
    archive_deadline_seconds: int = 900  # of the pod that writes records of runs
    sweep_deadline_seconds: int = 3600  # of the pod that looks through artifacts
    window_deadline_seconds: int = 900  # of the pod that judges a window of an endpoint's traffic
