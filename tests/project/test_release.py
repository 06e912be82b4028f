"""One number says which release this is, wherever it is said."""

import tomllib

from penstock_server.describe import server
from penstock_spec.release import RELEASE
from tests.support import ROOT


def test_the_packages_say_the_release_of_the_project() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == RELEASE


def test_the_server_says_it_also_where_no_distribution_is_installed() -> None:
    assert server()["version"] == RELEASE
