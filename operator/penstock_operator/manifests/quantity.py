"""Kubernetes quantities, as far as the operator has to reckon with them: 250m of CPU, 1Gi of memory."""

from decimal import ROUND_CEILING, Decimal

from penstock_spec.quantities import FACTORS, parse

_LEAST_CPU_LIMIT = Decimal(2)  # cores: a program that starts slowly for want of CPU helps nobody


def grown_memory(quantity: str, factor: float) -> str:
    """The quantity times `factor`, rounded up to whole mebibytes: 1Gi by 1.5 gives 1536Mi."""
    mebibytes = parse(quantity) * Decimal(str(factor)) / FACTORS["Mi"]
    return f"{mebibytes.to_integral_value(ROUND_CEILING)}Mi"


def bounded(quantity: str, maximum: str) -> str:
    """The quantity, or `maximum` where that is less. Empty means no bound."""
    return maximum if maximum and parse(quantity) > parse(maximum) else quantity


def is_more(one: str, other: str) -> bool:
    """Whether the first quantity is greater."""
    return parse(one) > parse(other)


def cpu_limit(request: str, processes: int = 1) -> str:
    """The CPU limit that goes with a request: twice as much, and at least 2 cores or one per process."""
    millis = max(parse(request) * 2, _LEAST_CPU_LIMIT, Decimal(processes)) * 1000
    whole = int(millis.to_integral_value(ROUND_CEILING))
    return str(whole // 1000) if whole % 1000 == 0 else f"{whole}m"
