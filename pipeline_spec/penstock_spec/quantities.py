"""Kubernetes quantities as numbers: 250m of CPU, 1Gi of memory."""

import re
from decimal import Decimal

FACTORS = {
    "": Decimal(1),
    "m": Decimal(1) / 1000,
    "k": Decimal(10) ** 3,
    "M": Decimal(10) ** 6,
    "G": Decimal(10) ** 9,
    "T": Decimal(10) ** 12,
    "Ki": Decimal(2) ** 10,
    "Mi": Decimal(2) ** 20,
    "Gi": Decimal(2) ** 30,
    "Ti": Decimal(2) ** 40,
}
_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]+)?)(m|k|M|G|T|Ki|Mi|Gi|Ti|)")


def parse(quantity: str) -> Decimal:
    """The number that a quantity stands for: cores, or bytes. ValueError where it is none."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no Kubernetes quantity: write 500m, 2, 512Mi or 4Gi")
    return Decimal(found[1]) * FACTORS[found[2]]
