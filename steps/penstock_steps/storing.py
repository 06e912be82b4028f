"""Storing what a step has made: a store that is away for a while, replaced or moved, costs nobody's work."""

import time
from pathlib import Path

from penstock_artifacts.errors import StoreUnavailable
from penstock_artifacts.store import Store
from penstock_steps.workspace import say

PATIENCE = 180.0  # seconds; the step's own deadline may come before
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 15.0


def put(store: Store, folder: Path, type_: str) -> str:
    """Store all files below `folder` as one artifact, and give its digest. StoreError in words.

    To do it twice is harmless, and to make the files again would take longer than to wait.
    """
    until, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
    while True:
        try:
            return store.put_folder(folder, type_)
        except StoreUnavailable as error:
            if not error.away or time.monotonic() + pause > until:
                raise
            say(f"{error}; tried again in {pause:.0f} s")
        time.sleep(pause)
        pause = min(2 * pause, LONGEST_PAUSE)
