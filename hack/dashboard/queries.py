"""The few forms that every expression of the dashboard has.

Everything is asked of the series themselves, so that the page is whole where nobody has loaded our rules.
"""

from hack.dashboard.grafana import Query

CHOSEN = 'namespace=~"$namespace", endpoint=~"$endpoint"'
BY_ENDPOINT = "namespace, endpoint"
NAME = "{{namespace}}/{{endpoint}}"
RATE = "[$__rate_interval]"


def rate(series: str, by: str, matchers: str = CHOSEN) -> str:
    """How much a counter grows per second."""
    return f"sum by ({by}) (rate({_selected(series, matchers)}{RATE}))"


def sum_of_the_hour(series: str, by: str, matchers: str = "") -> str:
    """How often something rare has happened in the last hour: a rate of it would be a row of spikes.

    A counter that is younger than that was born with its first event, which increase() does not see.
    """
    selected = _selected(series, matchers)
    return f"sum by ({by}) (({selected} unless {selected} offset 1h) or increase({selected}[1h]))"


def increase_of_the_hour(series: str, by: str, matchers: str = "") -> str:
    """The same of a counter that begins at nought with its process."""
    return f"sum by ({by}) (increase({_selected(series, matchers)}[1h]))"


def told_of_the_hour(series: str, by: str, matchers: str = CHOSEN) -> str:
    """The same of a counter that the operator reads from a status: it goes on where the pod before ended."""
    return f"increase({latest(series, by, matchers)}[1h:])"


def share(part: str, whole: str) -> str:
    """A ratio that is 0, not absent, while nothing of the part has ever happened."""
    return f"({part} or 0 * {whole}) / {whole}"


def quantiles(histogram: str, by: str, matchers: str, legend: str) -> list[Query]:
    """The median, and what 95 and 99 of a hundred stay below."""
    inner = rate(f"{histogram}_bucket", f"{by}, le" if by else "le", matchers)
    return [
        Query(f"histogram_quantile({part}, {inner})", f"{legend} {name}".strip())
        for name, part in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
    ]


def latest(series: str, by: str = BY_ENDPOINT, matchers: str = CHOSEN) -> str:
    """A state that the operator tells, once also while two operators tell it."""
    return f"max by ({by}) ({_selected(series, matchers)})"


def _selected(series: str, matchers: str) -> str:
    return f"{series}{{{matchers}}}" if matchers else series
