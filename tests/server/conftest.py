"""One trained model and one server of each kind for the whole session."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.server.model_folders import BUILDERS, SPECIAL, StoredModel
from tests.server.server_process import ServerProcess, running


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], StoredModel]:
    """The model of that name, trained at the first call."""
    made: dict[str, StoredModel] = {}

    def get(name: str) -> StoredModel:
        if name not in made:
            made[name] = {**BUILDERS, **SPECIAL}[name](tmp_path_factory.mktemp(name))
        return made[name]

    return get


@pytest.fixture(scope="session")
def served(stored: Callable[[str], StoredModel]) -> Iterator[Callable[[str], ServerProcess]]:
    """A ready server for the model of that name, started at the first call."""
    with ExitStack() as stack:
        started: dict[str, ServerProcess] = {}

        def get(name: str) -> ServerProcess:
            if name not in started:
                started[name] = stack.enter_context(running(stored(name)))
            return started[name]

        yield get
