"""Programs that wait until a test lets them go.

What a test does to a program that runs needs no guess of how long it takes, and no sleep that is long enough.
"""

from tests.support import Kubectl

GATE = "/tmp/open"  # noqa: S108 - in a container of its own
WAITS = f"import os, time\nwhile not os.path.exists('{GATE}'): time.sleep(0.2)\n"
# Put before it, for a program that ends when it is told to: as the first process of its container each has to
# say so.
HEARS = "import signal, sys\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(1))\n"
_LIVE = "status.phase!=Succeeded,status.phase!=Failed"


def open_gates(kubectl: Kubectl, namespace: str, **labels: str) -> None:
    """Let the programs go on of all live pods with these labels of ours; there must be one."""
    selector = ",".join(f"penstock.dev/{key}={value}" for key, value in labels.items())
    found = [one["metadata"] for one in kubectl.list("pods", namespace, selector, fields=_LIVE)]
    live = [one["name"] for one in found if "deletionTimestamp" not in one]
    assert live, f"no pod of {selector} lives in {namespace}"
    for name in live:
        kubectl.run("exec", "-n", namespace, name, "-c", "main", "--", "touch", GATE)
