"""Counters whose first event must not be missed: increase() sees it where the series was there before."""

from prometheus_client.parser import text_string_to_metric_families

from penstock_operator.informer import CAUSES
from penstock_operator.resources import CUSTOM_KINDS, WATCHED_KINDS
from tests.observability.series import wired


def values(name: str) -> dict[tuple[str, ...], float]:
    """What a new operator tells of a counter: value by labels, in the order of their names."""
    families = text_string_to_metric_families(wired().text().decode())
    return {
        tuple(value for _, value in sorted(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
        if sample.name == name
    }


def test_a_stream_of_each_kind_that_we_watch_has_been_opened_again_nought_times() -> None:
    found = values("penstock_watch_restarts_total")
    assert found == {(cause, kind): 0.0 for cause in CAUSES for kind in WATCHED_KINDS}


def test_no_kind_has_differed_yet() -> None:
    assert values("penstock_resync_differences_total") == {
        (kind,): 0.0 for kind in (*CUSTOM_KINDS, *WATCHED_KINDS)
    }
