"""Reads the rows of one window from the prediction log, batch by batch, in bounded memory."""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import polars as pl

from penstock_artifacts.errors import ArtifactCorrupt, ArtifactMissing
from penstock_artifacts.prediction_log import Batch, PredictionLog, missing
from penstock_steps.drift.observed import Observed, observe, type_in_log
from penstock_steps.drift.reference import ColumnReference
from penstock_steps.window import Reading, Window

# More rows than these make a verdict no surer; of a busier window a uniform sample is judged.
MOST_ROWS = 200_000
_INPUT = "input."
_TIME, _REQUEST = "time", "request_id"


class LogCorrupt(Exception):  # noqa: N818 - named like the reason it becomes
    """The log is not what the server wrote. The message names the object, and no value of any row."""


@dataclass
class _Gathered:
    """Parts of columns by name, and counts."""

    parts: dict[str, list[pl.Series]] = field(default_factory=dict)
    rows: int = 0
    judged: int = 0
    requests: int = 0
    of_others: int = 0


def read_window(
    log: PredictionLog,
    window: Window,
    columns: Mapping[str, ColumnReference],
    most_rows: int = MOST_ROWS,
) -> tuple[Reading, dict[str, Observed]]:
    """The window's rows of the served model, summed up by column in the order of `columns`.

    A column that no batch holds is left out and named in `absent`; one that only some hold (a redaction
    began or ended) is judged by those. LogCorrupt where bytes do not match their digest, or are no batch.
    """
    batches = [one for one in log.batches(window.start, window.end) if one.version == window.version]
    share = min(1.0, most_rows / max(1, sum(one.rows for one in batches)))
    gathered = _Gathered()
    for batch in batches:
        _take(_frame(log, batch, columns), batch, window, share, gathered)
    observed = {}
    for name, reference in columns.items():
        parts = gathered.parts.pop(name, [])
        if parts:
            observed[name] = observe(pl.concat(parts), reference)
    # A batch over the window's end tells of its losses in the next window.
    lost = missing(one for one in batches if one.end < window.end.timestamp() * 1000)
    reading = Reading(
        rows=gathered.rows,
        judged=gathered.judged,
        requests=gathered.requests,
        lost=lost,
        batches=len(batches),
        of_others=gathered.of_others,
        absent=[name for name in columns if name not in observed],
    )
    return reading, observed


def _frame(
    log: PredictionLog, batch: Batch, columns: Mapping[str, ColumnReference]
) -> tuple[str, pl.DataFrame]:
    """The digest of the model that answered, and the batch's rows: time, request and the wanted columns."""
    try:
        content = log.read(batch)
        digest = pl.read_parquet_metadata(io.BytesIO(content)).get("digest", "")
        held = pl.read_parquet_schema(io.BytesIO(content))
        types: dict[str, pl.DataType] = {
            _INPUT + name: type_in_log(one) for name, one in columns.items() if _INPUT + name in held
        }
        types |= {_TIME: pl.Datetime("ms", "UTC"), _REQUEST: pl.String()}
        frame = pl.read_parquet(io.BytesIO(content), columns=list(types)).cast(pl.Schema(types))
    except ArtifactCorrupt as error:
        raise LogCorrupt(str(error)) from None
    except ArtifactMissing:
        raise LogCorrupt(
            f"log batch {batch.name} vanished while the window was read; it may have expired: compare "
            "retention with the length of a window"
        ) from None
    except pl.exceptions.PolarsError:
        raise LogCorrupt(
            f"log batch {batch.name} has its digest but is no table of the prediction log: it was written by "
            "another release or program; delete it to judge the window without its rows"
        ) from None
    return digest, frame


def _take(
    read: tuple[str, pl.DataFrame], batch: Batch, window: Window, share: float, gathered: _Gathered
) -> None:
    """Add the batch's rows of the window; of too many a `share`, drawn by the batch's own digest."""
    digest, whole = read
    frame = whole.filter(pl.col(_TIME) >= window.start, pl.col(_TIME) < window.end)
    if digest != window.digest:
        gathered.of_others += frame.height
        return
    gathered.rows += frame.height
    gathered.requests += frame[_REQUEST].n_unique()
    if share < 1:
        generator = np.random.default_rng(int(batch.sha256[:16], 16))
        number = min(frame.height, round(frame.height * share))
        frame = frame[np.sort(generator.choice(frame.height, number, replace=False))]
    gathered.judged += frame.height
    for name in frame.columns:
        if name.startswith(_INPUT):
            gathered.parts.setdefault(name.removeprefix(_INPUT), []).append(frame[name])
