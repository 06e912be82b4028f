"""What messages about a place say."""

from penstock_artifacts.bucket import place_from

_VARIABLES = {"bucket": "B", "prefix": "P"}


def test_a_key_is_said_with_the_folder_that_the_place_is() -> None:
    inside = place_from({"B": "my-data", "P": "lake/"}, _VARIABLES, "ConfigMap lake")
    assert inside.whole("a.csv") == "lake/a.csv"
    assert place_from({"B": "my-data"}, _VARIABLES, "ConfigMap lake").whole("a.csv") == "a.csv"
