"""`python -m penstock_operator`: see --help."""

import asyncio
import logging
import sys

from penstock_operator import logs, options, service

log = logging.getLogger("penstock_operator")


def main() -> int:
    """Run until told to stop: 0.

    Otherwise 1, with the reason as the last line of the log; somebody starts us anew.
    """
    chosen = options.parse()
    logs.configure(chosen.log_level)
    try:
        asyncio.run(service.run(chosen))
    except (service.CannotStart, ValueError) as error:
        log.critical("cannot start", extra={"why": str(error)})
        return 1
    except KeyboardInterrupt:
        return 0
    except BaseException:
        log.critical("ending: a part of the operator died", exc_info=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
