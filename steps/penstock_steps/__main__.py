"""`python -m penstock_steps run|fetch|probe|publish`: the program of the image penstock/steps."""

import os
import sys

from penstock_steps.program import MODES, execute
from penstock_steps.workspace import Workspace


def main() -> int:
    """Do what the first argument says for the Task in the environment."""
    if len(sys.argv) != 2 or sys.argv[1] not in MODES:
        sys.stderr.write(f"usage: python -m penstock_steps {'|'.join(MODES)}\n")
        return 2
    return execute(sys.argv[1], Workspace(environment=dict(os.environ)))


if __name__ == "__main__":
    sys.exit(main())
