"""Programs that run inside the rivals' own environments: the same ONNX graph behind their Python servers.

Started by file, never imported by the rest of the benchmark: `python rivals.py kserve|mlserver MODEL PORT`.
Each does with the graph what its documentation shows for a custom model, and no more.
"""

import json
import os
import sys
import tempfile
from pathlib import Path


def session(path: str):  # noqa: ANN201 - the type is of a library that only the rivals' environments have here
    """The graph on ONNX Runtime, with the same options as Penstock's server."""
    import onnxruntime  # noqa: PLC0415 - one environment has KServe, another MLServer; both have this

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def kserve(model: str, port: str) -> None:
    """KServe's Python server with a custom model."""
    # It reads the command line when it is imported.
    sys.argv = ["kserve", "--http_port", port, "--enable_grpc", "false", "--workers", "1"]
    sys.argv += ["--enable_latency_logging", "false", "--log_config_file", _quiet()]
    from kserve import InferOutput, InferResponse, Model, ModelServer  # noqa: PLC0415 - as above
    from kserve.utils.utils import generate_uuid  # noqa: PLC0415 - as above

    class Forest(Model):
        def __init__(self) -> None:
            super().__init__("forest")
            self.session = session(model)
            self.ready = True

        async def predict(self, payload, headers=None, response_headers=None):  # noqa: ANN001, ANN202, ARG002 - KServe's own signature
            rows = payload.inputs[0].as_numpy()
            label, probabilities = self.session.run(["label", "probabilities"], {"x": rows})
            outputs = []
            for name, found in (("label", label), ("probabilities", probabilities)):
                output = InferOutput(name, list(found.shape), "INT64" if found.dtype.kind == "i" else "FP32")
                output.set_data_from_numpy(found, binary_data=False)
                outputs.append(output)
            return InferResponse(payload.id or generate_uuid(), self.name, outputs)

    ModelServer().start([Forest()])


def _quiet() -> str:
    """A logging configuration without a line per request."""
    path = Path(tempfile.mkdtemp(prefix="penstock-bench-")) / "logging.json"
    quiet = {"version": 1, "disable_existing_loggers": True, "root": {"level": "ERROR"}}
    path.write_text(json.dumps(quiet))
    return str(path)


def mlserver(model: str, port: str) -> None:
    """MLServer with a custom runtime, in one process; its pool of workers is slower (docs/benchmarks.md)."""
    folder = Path(tempfile.mkdtemp(prefix="penstock-bench-"))
    other = int(port)
    settings = {
        "http_port": other,
        "grpc_port": other + 1,
        "metrics_port": other + 2,
        "host": "127.0.0.1",
        "parallel_workers": 0,
        "debug": False,
        "logging_settings": _quiet(),
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    found = {"name": "forest", "implementation": "mlserver_forest.Forest", "parameters": {"uri": model}}
    (folder / "model-settings.json").write_text(json.dumps(found))
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent)}
    program = Path(sys.executable).with_name("mlserver")
    os.execve(program, [str(program), "start", str(folder)], environment)  # noqa: S606 - this file's own argument


if __name__ == "__main__":
    {"kserve": kserve, "mlserver": mlserver}[sys.argv[1]](sys.argv[2], sys.argv[3])
