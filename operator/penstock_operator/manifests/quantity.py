"""Kubernetes quantities, as far as the operator has to reckon with them: 250m of CPU, 1Gi of memory."""

import re
from decimal import ROUND_CEILING, Decimal

_FACTORS = {
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
_LEAST_CPU_LIMIT = Decimal(2)  # cores: a program that starts slowly for want of CPU helps nobody


def parse(quantity: str) -> Decimal:
    """The number that a quantity stands for: cores, or bytes. ValueError where it is none."""
    found = _QUANTITY.fullmatch(quantity)
    if found is None:
        raise ValueError(f"{quantity!r} is no Kubernetes quantity: write 500m, 2, 512Mi or 4Gi")
    return Decimal(found[1]) * _FACTORS[found[2]]


def grown_memory(quantity: str, factor: float) -> str:
    """The quantity times `factor`, rounded up to whole mebibytes: 1Gi by 1.5 gives 1536Mi."""
    mebibytes = parse(quantity) * Decimal(str(factor)) / _FACTORS["Mi"]
    return f"{mebibytes.to_integral_value(ROUND_CEILING)}Mi"


def cpu_limit(request: str, processes: int = 1) -> str:
    """The CPU limit that goes with a request: twice as much, and at least 2 cores or one per process."""
    millis = max(parse(request) * 2, _LEAST_CPU_LIMIT, Decimal(processes)) * 1000
    whole = int(millis.to_integral_value(ROUND_CEILING))
    return str(whole // 1000) if whole % 1000 == 0 else f"{whole}m"
