"""A served model with its profile, a prediction log in a store, and windows judged by the very program."""

import hashlib
import io
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from penstock_artifacts.prediction_log import Batch, PredictionLog, key_of
from penstock_artifacts.signature import ColumnSignature, Layout, Signature, Task, ValueType
from penstock_artifacts.store import Store, store_from
from penstock_spec import contract
from penstock_spec.contract import Failure, Input, Result, decode
from penstock_spec.monitoring import Monitoring
from penstock_steps.profile import profile
from penstock_steps.program import execute
from penstock_steps.workspace import Workspace, write_json

NAMESPACE, ENDPOINT, VERSION = "ml", "tumour", "tumour-3"
START = datetime(2026, 3, 4, 9, 55, tzinfo=UTC)
EVERY = timedelta(minutes=5)
TYPES = {pl.Float64: ValueType.NUMBER, pl.Int64: ValueType.INTEGER, pl.Boolean: ValueType.BOOLEAN}


@dataclass
class Monitored:
    """An endpoint whose model was trained on the rows of `training`, all columns being its inputs."""

    folder: Path
    training: pl.DataFrame
    sequence: int = 0
    profile: Any = None  # what stands in profile.json, None for the true one
    digest: str = ""
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = {"PENSTOCK_STORE_URL": f"file://{self.folder}/store"}
        model = self.folder / "model"
        model.mkdir(parents=True)
        columns = [
            ColumnSignature(name, TYPES.get(type(kind), ValueType.STRING))
            for name, kind in self.training.schema.items()
        ]
        Signature(
            model="tumour",
            task=Task.REGRESSION,
            layout=Layout.COLUMNS,
            inputs=tuple(columns),
            target=ColumnSignature("target", ValueType.NUMBER),
        ).save(model / contract.MODEL_SIGNATURE)
        data = profile(self.training) if self.profile is None else self.profile
        write_json(model / contract.MODEL_PROFILE, data)
        (model / contract.MODEL_ONNX).write_bytes(b"not read by windows")
        self.digest = self.store.put_folder(model, "Model")

    @property
    def store(self) -> Store:
        return store_from(self.environment, NAMESPACE)

    @property
    def log(self) -> PredictionLog:
        return self.store.prediction_log(ENDPOINT)

    def log_rows(
        self,
        frame: pl.DataFrame,
        *,
        start: datetime = START,
        over: timedelta = EVERY,
        version: str = VERSION,
        digest: str = "",
        lost: int = 0,
        rows_per_request: int = 1,
    ) -> Batch:
        """Store one batch, its rows spread evenly over [start, start + over), in the log's own form."""
        offsets = np.arange(frame.height) * (over // timedelta(milliseconds=1)) // max(1, frame.height)
        times = int(start.timestamp() * 1000) + offsets
        table = pl.DataFrame(
            {
                "time": pl.Series(times).cast(pl.Datetime("ms", "UTC")),
                "request_id": [f"r{place // rows_per_request}" for place in range(frame.height)],
                "row": pl.Series(np.arange(frame.height) % rows_per_request, dtype=pl.Int32),
                **{f"input.{name}": _as_logged(frame[name]) for name in frame.columns},
                "output.prediction": np.zeros(frame.height),
            }
        )
        buffer = io.BytesIO()
        table.write_parquet(
            buffer,
            metadata={
                "digest": digest or self.digest,
                "version": version,
                "endpoint": ENDPOINT,
                "instance": "a1",
            },
        )
        content = buffer.getvalue()
        self.sequence += lost
        batch = Batch(
            namespace=NAMESPACE,
            endpoint=ENDPOINT,
            start=int(times[0]),
            end=int(times[-1]),
            version=version,
            instance="a1",
            first=self.sequence,
            rows=frame.height,
            lost=lost,
            sha256=hashlib.sha256(content).hexdigest(),
        )
        self.sequence += frame.height
        self.log.put(batch, content)
        return batch

    def object(self, batch: Batch) -> Path:
        """The file that holds a batch."""
        return self.folder / "store" / key_of(batch)

    def task(self, start: datetime = START, **changes: Any) -> contract.Task:
        defaults = Monitoring()
        arguments = {
            "endpoint": ENDPOINT,
            "version": VERSION,
            "digest": self.digest,
            "start": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "end": f"{start + EVERY:%Y-%m-%dT%H:%M:%SZ}",
            "drift": [{"method": one.method.value, "maximum": one.maximum} for one in defaults.drift],
            "significance": defaults.significance,
            "minimumSamples": defaults.minimum_samples,
            "nullsMaximumIncrease": defaults.data_quality.nulls.maximum_increase,
            "unseenMaximumRatio": defaults.data_quality.unseen.maximum_ratio,
            "redact": [],
            "retentionDays": 180,
            **changes,
        }
        return contract.Task(
            namespace=NAMESPACE,
            pipeline="",
            run=f"{ENDPOINT}-w20260304100000-abcdef",
            step=ENDPOINT,
            attempt=1,
            kind="monitor",
            arguments=arguments,
            inputs={"model": Input(self.digest, "Model")},
            outputs={"report": "Report"},
        )

    def attempt(self, start: datetime = START, **changes: Any) -> Result | Failure:
        """Judge the window that begins at `start`, as its Job does; what its termination message says."""
        root = self.folder / "job"
        root.mkdir(exist_ok=True)
        environment = {**self.environment, contract.TASK_VARIABLE: self.task(start, **changes).to_json()}
        workspace = Workspace(root, root / "termination", environment)
        workspace.termination.unlink(missing_ok=True)
        code = execute("run", workspace)
        text = workspace.termination.read_text()
        assert len(text.encode()) <= contract.TERMINATION_BYTES
        outcome = decode(text)
        assert (code == 0) == isinstance(outcome, Result)
        return outcome

    def judge(self, start: datetime = START, **changes: Any) -> Result:
        outcome = self.attempt(start, **changes)
        assert isinstance(outcome, Result), outcome
        return outcome

    def report(self, result: Result) -> tuple[dict[str, Any], str]:
        """report.json and report.html as they come back from the store."""
        folder = self.folder / "read" / result.outputs["report"][-12:]
        if not folder.exists():
            self.store.get_folder(result.outputs["report"], folder)
        return (
            json.loads((folder / contract.REPORT_JSON).read_text()),
            (folder / contract.REPORT_HTML).read_text(),
        )


def _as_logged(series: pl.Series) -> pl.Series:
    if series.dtype in (pl.String, pl.Boolean):
        return series
    return series.cast(pl.Float64)
