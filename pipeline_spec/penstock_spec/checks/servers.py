"""What a ModelEndpoint asks of its pods and can never get. The schema of v1alpha1 takes it, so it is said by
whoever would make them.
"""

from collections.abc import Iterator

from penstock_spec.checks.memory import shortage
from penstock_spec.endpoint import ModelEndpointSpec
from penstock_spec.errors import did_you_mean
from penstock_spec.server_spec import SERVE_SETTINGS
from penstock_spec.serving_contract import SERVE_PORT, SERVE_PREFIX


def impossible(spec: ModelEndpointSpec) -> Iterator[str]:
    """Each of them in words: where, what, and what to write instead."""
    short = shortage(spec.resources.memory)
    if short:
        yield f"spec.resources.memory {short}; write 512Mi, for example"
    if spec.server.grpc_port is not None and spec.server.grpc_port == (spec.server.port or SERVE_PORT):
        yield f"spec.server.grpcPort is {spec.server.grpc_port}, where HTTP is answered; choose another port"
    if spec.server.image is not None:
        return  # what another program makes of its environment is its own affair
    known = [f"{SERVE_PREFIX}{one}" for one in SERVE_SETTINGS]
    for position, one in enumerate(spec.server.env):
        if one.name.startswith(SERVE_PREFIX) and one.name not in known:
            hint = did_you_mean(one.name, known) or "See docs/serving.md for all of them."
            yield f"spec.server.env[{position}].name: {one.name} is no setting of Penstock's server. {hint}"
