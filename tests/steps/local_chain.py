"""Runs a pipeline's steps one after the other on this machine, through the same program as in a pod.

The Task of each step comes from the compiler, as the operator makes it; folders stand for volumes, a folder
for the store and one for the bucket.
"""

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from penstock_artifacts.store import Store, store_from
from penstock_spec import contract
from penstock_spec.contract import Failure, Input, Known, Result, Task, decode
from penstock_spec.edges import Source
from penstock_spec.gathered import Gathered, gathered_variable
from penstock_spec.graph import CompiledPipeline, compile_pipeline
from penstock_spec.resolve import NOTHING, resolve_parameters, resolve_step
from penstock_steps.program import execute
from penstock_steps.workspace import Workspace

ROOT = Path(__file__).resolve().parents[2]
NAMESPACE = "ml"


@dataclass
class Chain:
    """A pipeline, the folder in which its steps work, and what they have answered so far."""

    folder: Path
    lake: Path
    compiled: CompiledPipeline
    name: str = "example"
    parameters: Mapping[str, Any] = field(default_factory=dict)
    results: dict[str, Result] = field(default_factory=dict)
    cells: dict[str, list[Result]] = field(default_factory=dict)  # of steps with a matrix, in their order
    cell: int = 0  # the one that is at work
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.environment = {
            "PENSTOCK_STORE_URL": f"file://{self.folder}/store",
            "PENSTOCK_SOURCE_BUCKET": f"file://{self.lake}",
            **self.environment,
        }

    @property
    def store(self) -> Store:
        return store_from(self.environment, NAMESPACE)

    def task(self, step: str, known: Known | None = None, **changes: Any) -> Task:
        spec = self.compiled.spec
        values = resolve_parameters(spec, self.parameters)
        taken = {
            f"{giver}.{name}": self.results[giver].results[name]
            for giver, name in self.compiled.results_taken(step)
        }
        cell = (self.compiled.cells(step) or ())[self.cell - 1] if self.cell else NOTHING
        resolved = resolve_step(spec, spec.step(step), values, taken, cell)
        inputs = {name: self._input(source) for name, source in self.compiled.inputs(step).items()}
        return Task(
            namespace=NAMESPACE,
            pipeline=self.name,
            run=f"{self.name}-g1",
            step=step,
            attempt=1,
            kind=resolved.kind,
            arguments={**resolved.arguments, **changes},
            inputs=inputs,
            outputs=self.compiled.outputs(step),
            known=known,
            cell=self.cell,
        )

    def _input(self, source: Source) -> Input:
        step, output = source
        type_, matrix = self.compiled.type_of(source), self.compiled.spec.step(step).matrix
        if matrix is None:
            return Input(self.results[step].outputs[output], type_)
        gathered = Gathered([one.outputs[output] for one in self.cells[step]], matrix.as_set())
        return Input(gathered.digest, type_, gathered)

    def workspace(self, step: str, task: Task) -> Workspace:
        root = self.folder / (f"{step}-{task.cell}" if task.cell else step)
        root.mkdir(parents=True, exist_ok=True)
        gathered = {
            gathered_variable(name): one.gathered.to_json()
            for name, one in task.inputs.items()
            if one.gathered is not None
        }
        environment = {**self.environment, **gathered, contract.TASK_VARIABLE: task.to_json()}
        return Workspace(root, root / "termination", environment)

    def attempt(
        self, step: str, mode: str = "run", known: Known | None = None, **changes: Any
    ) -> Result | Failure:
        """Run one program of one step; what its termination message says."""
        workspace = self.workspace(step, self.task(step, known, **changes))
        workspace.termination.unlink(missing_ok=True)
        code = execute(mode, workspace)
        outcome = decode(workspace.termination.read_text()) if workspace.termination.exists() else Result()
        assert (code == 0) == isinstance(outcome, Result)
        return outcome

    def run(self, step: str) -> Result:
        """Run a built-in step and remember what it gave."""
        outcome = self.attempt(step)
        assert isinstance(outcome, Result), outcome.message
        self.results[step] = outcome
        return outcome

    def run_cells(self, step: str) -> list[Result]:
        """Run a built-in step once for each of its cells."""
        self.cells[step] = []
        for number, _ in enumerate(self.compiled.cells(step) or (), start=1):
            self.cell = number
            outcome = self.attempt(step)
            assert isinstance(outcome, Result), outcome.message
            self.cells[step].append(outcome)
        self.cell = 0
        return self.cells[step]

    def run_program(self, step: str, command: list[str], environment: Mapping[str, str]) -> Result:
        """Run a step whose program is the user's: fetch, the program, publish."""
        fetched = self.attempt(step, "fetch")
        assert isinstance(fetched, Result), fetched
        subprocess.run(command, env=dict(environment), check=True)
        outcome = self.attempt(step, "publish")
        assert isinstance(outcome, Result), outcome
        self.results[step] = outcome
        return outcome

    def artifact(self, step: str, output: str) -> Path:
        """The output as it comes back from the store."""
        target = self.folder / "read" / step / output
        self.store.get_folder(self.results[step].outputs[output], target)
        return target


def example(name: str, folder: Path, lake: Path) -> Chain:
    """The chain of examples/<name>/pipeline.yaml."""
    spec = yaml.safe_load((ROOT / "examples" / name / "pipeline.yaml").read_text())["spec"]
    return Chain(folder, lake, compile_pipeline(spec), name)


def chain_of(spec: Mapping[str, Any], folder: Path, files: Mapping[str, str]) -> Chain:
    """A chain of `steps` over files that lie in its bucket."""
    lake = folder / "lake"
    lake.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (lake / name).write_text(text)
    return Chain(folder, lake, compile_pipeline(spec))


def python_of_example(chain: Chain, step: str) -> dict[str, str]:
    """The environment that the example's own program gets."""
    arguments = json.loads(chain.workspace(step, chain.task(step)).arguments_file.read_text())
    named = {f"{contract.ARGUMENT_PREFIX}{name.upper()}": str(value) for name, value in arguments.items()}
    return {"PATH": str(Path(sys.executable).parent), "WINE_ROOT": str(chain.folder / step), **named}
