"""monitor: watch what an endpoint serves."""

from typing import Any

from pydantic import Field

from penstock_spec.base import Name45
from penstock_spec.monitoring import Monitoring


class Monitor(Monitoring):
    """Switches monitoring of an endpoint on: sets its spec.monitoring and waits until it has taken that over.

    Waits for every deploy to that endpoint first. From then on the endpoint is watched, run or no run.
    """

    endpoint: Name45 = Field(description="ModelEndpoint to watch; a deploy step, or you, made it.")

    def monitoring(self) -> dict[str, Any]:
        """The endpoint's spec.monitoring as plain data: what was set, and always `every`."""
        data = {name: value for name, value in self.as_set().items() if name != "endpoint"}
        return {"every": self.every, **data}
