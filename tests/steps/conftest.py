"""Tables that the tests of steps read."""

import importlib.util
from collections.abc import Iterator
from pathlib import Path

import pytest
from threadpoolctl import threadpool_limits

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="session")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that stands for the bucket, with the examples' tables."""
    folder = tmp_path_factory.mktemp("lake")
    spec = importlib.util.spec_from_file_location("penstock_example_data", EXAMPLES / "data.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.write_all(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other on shared cores would make the small fits of these tests slow."""
    with threadpool_limits(1):
        yield
