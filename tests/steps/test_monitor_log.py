"""What the server noted and its sidecar shipped is what a window judges: the two programs held together."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl

from penstock_artifacts.store import store_from
from penstock_steps.drift.observed import Categories, Numbers
from penstock_steps.drift.reference import references
from penstock_steps.profile import profile
from penstock_steps.window import Window
from penstock_steps.window_log import read_window
from tests.server.spools import NAMES, START, answer, log, shipper
from tests.steps.monitored import Monitored

CELLS: dict[str, list[Any]] = {
    "age": [1.5, None, -0.0, 1e300],
    "visits": [3, 2**60, None, 3],
    "member": [True, None, False, True],
    "city": ["Rīga", None, "", "x" * 300],
}
TRAINING = pl.DataFrame(
    {
        "age": [1.5] * 300,
        "visits": [3] * 300,
        "member": [True, False] * 150,
        "city": ["Rīga", "x" * 300] * 150,
    }
)


def test_a_window_reads_every_type_and_every_gap_as_the_server_noted_them(tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    spool.mkdir()
    noted = log(spool)
    noted.add(CELLS, answer(4), "request-1", 4)
    noted.add(CELLS, answer(4), "request-2", 4)
    noted.close()
    store = store_from({"PENSTOCK_STORE_URL": f"file://{tmp_path}/store"}, "ml")
    shipper(spool, store.prediction_log("live")).round(START, everything=True)

    start = datetime.fromtimestamp(START / 1000, UTC)
    arguments = Monitored(tmp_path / "model", TRAINING).task().arguments
    asked = replace(
        Window.from_arguments(arguments),
        version="m-g3-2",
        digest="sha256:" + "1" * 64,
        start=start,
        end=start + timedelta(minutes=5),
    )
    reading, observed = read_window(store.prediction_log("live"), asked, references(profile(TRAINING), NAMES))
    assert (reading.rows, reading.requests, reading.lost, reading.batches) == (8, 2, 0, 1)
    age, visits = observed["age"], observed["visits"]
    assert isinstance(age, Numbers)
    assert isinstance(visits, Numbers)
    assert age.nulls == visits.nulls == 2
    assert age.values[:4].tolist() == [0, 0, 1.5, 1.5]
    assert visits.values.tolist() == [3.0] * 4 + [float(2**60)] * 2
    assert observed["member"] == Categories({"true": 4, "false": 2}, 2)
    assert observed["city"] == Categories({"": 2, "Rīga": 2, "x" * 256: 2}, 2)
