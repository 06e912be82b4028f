"""tritonclient gets over every transport, bit for bit, what REST answers (S1)."""

import json
from collections.abc import Callable
from contextlib import closing
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as triton_grpc
import tritonclient.http as triton_http
from google.protobuf import descriptor_pb2
from tritonclient.grpc import service_pb2, service_pb2_grpc

from tests.server.model_folders import BUILDERS
from tests.server.server_process import ServerProcess, rows, tensors
from tests.server.triton import Ask, arrays, null_rows, over_grpc, over_http, server_outputs
from tests.support import ROOT

Served = Callable[[str], ServerProcess]

TRANSPORTS: dict[str, Callable[[ServerProcess], Ask]] = {
    "http with raw bytes": lambda server: over_http(server, binary=True),
    "http with JSON": lambda server: over_http(server, binary=False),
    "gRPC": over_grpc,
}


def _plain(value: Any) -> tuple[str, Any]:
    """An output as its bits or its texts, whichever way it came."""
    array = np.asarray(value)
    if array.dtype.kind in "OSU":
        texts = [one.decode() if isinstance(one, bytes) else one for one in array.ravel().tolist()]
        return "texts", texts
    kind = {"b": np.bool_, "i": np.int64, "f": np.float64}[array.dtype.kind]
    return array.dtype.kind, array.ravel().astype(kind).tobytes()


def _by_rest(server: ServerProcess, columns: dict[str, list[Any]]) -> dict[str, Any]:
    answer = server.infer({"inputs": tensors(server.model, columns)})
    assert answer.status_code == 200, answer.text
    return {one["name"]: one["data"] for one in answer.json()["outputs"]}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", BUILDERS)
def test_every_transport_gives_the_same_bits_as_rest(served: Served, name: str, transport: str) -> None:
    server = served(name)
    model = server.model
    total = len(next(iter(model.columns.values())))
    for start, end in [(0, total), (3, 4), (5, 12)]:
        columns = rows(model, start, end)
        missing = null_rows(model, columns)
        parameters = {"nulls": json.dumps(missing)} if missing else None
        expected = _by_rest(server, columns)
        found = TRANSPORTS[transport](server)(arrays(model, columns), parameters)
        for output in server_outputs(model):
            assert _plain(found[output]) == _plain(expected[output]), output


def test_the_rows_of_visitors_hold_what_the_comparison_is_about(served: Served) -> None:
    """Texts beyond ASCII, and nulls in all four types of columns."""
    columns = served("visitors").model.columns
    assert all(None in cells for cells in columns.values())
    assert any(not cell.isascii() for cell in columns["city"] if cell is not None)


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_null_rows_change_the_answer_as_nulls_do(served: Served, transport: str) -> None:
    server = served("visitors")
    columns: dict[str, list[Any]] = {
        "age": [31.5, 58.0],
        "visits": [3, 4],
        "member": [True, True],
        "city": ["Oslo", "Oslo"],
    }
    ask = TRANSPORTS[transport](server)
    whole = ask(arrays(server.model, columns))
    missing = {"age": [1], "visits": [1], "member": [1], "city": [1]}
    found = ask(arrays(server.model, columns), {"nulls": json.dumps(missing)})
    nulls: dict[str, list[Any]] = {name: [cells[0], None] for name, cells in columns.items()}
    expected = _by_rest(server, nulls)
    assert _plain(found["probabilities"]) == _plain(expected["probabilities"])
    assert _plain(found["probabilities"]) != _plain(whole["probabilities"])


@pytest.mark.parametrize(
    ("transport", "kind"),
    [
        (transport, kind)
        for transport in TRANSPORTS
        for kind in ("f4", "f2", "i8", "i4", "i2", "i1", "u8", "u4", "u2", "u1")
        if (transport, kind) != ("http with JSON", "f2")  # tritonclient itself refuses to write that
    ],
)
def test_every_numeric_datatype_is_understood(served: Served, transport: str, kind: str) -> None:
    server = served("iris")
    cells = np.array([5, 3, 1, 0], np.dtype(kind))
    datatype = triton_http_name(cells.dtype)
    inputs = dict.fromkeys(server.model.signature.names, (datatype, cells))
    found = TRANSPORTS[transport](server)(inputs)
    columns: dict[str, list[Any]] = {name: [5.0, 3.0, 1.0, 0.0] for name in server.model.signature.names}
    expected = _by_rest(server, columns)
    for output in ("label", "probabilities"):
        assert _plain(found[output]) == _plain(expected[output])


def triton_http_name(dtype: np.dtype[Any]) -> str:
    """The protocol's name for a numpy type."""
    word = {"f": "FP", "i": "INT", "u": "UINT"}[dtype.kind]
    return f"{word}{dtype.itemsize * 8}"


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_the_id_of_a_request_comes_back(served: Served, transport: str) -> None:
    server = served("visitors")
    ask = TRANSPORTS[transport](server)
    inputs = arrays(server.model, {"age": [1.0], "visits": [1], "member": [True], "city": ["Oslo"]})
    assert ask(inputs, request_id="seven")["id"] == "seven"
    assert ask(inputs)["id"] == ""


def test_one_matrix_is_taken_from_every_transport(served: Served) -> None:
    server = served("wine")
    columns = rows(server.model, 10, 30)
    matrix = np.array(list(columns.values())).T.copy()
    expected = _by_rest(server, columns)
    for transport in TRANSPORTS.values():
        found = transport(server)({"input-0": ("FP64", matrix)})
        assert _plain(found["probabilities"]) == _plain(expected["probabilities"])


def test_only_outputs_asked_for_as_raw_bytes_come_so(served: Served) -> None:
    server = served("iris")
    tensor = tensors(server.model, rows(server.model, 0, 2))
    outputs = [{"name": "label", "parameters": {"binary_data": False}}, {"name": "probabilities"}]
    request = {"inputs": tensor, "outputs": outputs, "parameters": {"binary_data_output": True}}
    answer = server.infer(request)
    length = int(answer.headers["inference-header-content-length"])
    head = json.loads(answer.content[:length])
    label, probabilities = head["outputs"]
    assert label["data"] == ["setosa", "setosa"]
    assert "data" not in probabilities
    assert probabilities["parameters"]["labels"] == ["setosa", "versicolor", "virginica"]
    assert probabilities["parameters"]["binary_data_size"] == 6 * 8 == len(answer.content) - length
    assert _plain(np.frombuffer(answer.content[length:])) == _plain(
        _by_rest(server, rows(server.model, 0, 2))["probabilities"]
    )


def test_health_and_metadata_are_the_same_over_both_protocols(served: Served) -> None:
    server = served("visitors")
    with (
        closing(triton_http.InferenceServerClient(f"127.0.0.1:{server.port}")) as http,
        closing(triton_grpc.InferenceServerClient(server.grpc_address)) as grpc,
    ):
        for client in (http, grpc):
            assert client.is_server_live()
            assert client.is_server_ready()
            assert client.is_model_ready("visitors")
            assert client.is_model_ready("visitors", "visitors-3")
        assert grpc.get_server_metadata(as_json=True) == http.get_server_metadata()
        assert "binary_tensor_data" in http.get_server_metadata()["extensions"]
        by_http = http.get_model_metadata("visitors")
        by_grpc = grpc.get_model_metadata("visitors", as_json=True)
    for part in ("inputs", "outputs"):
        shapes = [{**one, "shape": [str(size) for size in one["shape"]]} for one in by_http[part]]
        assert by_grpc[part] == shapes
    assert by_grpc["platform"] == by_http["platform"]
    assert by_grpc["versions"] == by_http["versions"] == ["visitors-3"]


def test_typed_contents_get_typed_answers_with_the_same_bits(served: Served) -> None:
    server = served("visitors")
    request = service_pb2.ModelInferRequest(model_name="visitors", id="typed")
    fields = {
        "age": ("FP64", "fp64_contents", [31.5, float("nan")]),
        "visits": ("INT64", "int64_contents", [3, 4]),
        "member": ("BOOL", "bool_contents", [True, False]),
        "city": ("BYTES", "bytes_contents", ["København".encode(), b""]),
    }
    for name, (datatype, field, cells) in fields.items():
        tensor = request.inputs.add(name=name, datatype=datatype, shape=[2])
        getattr(tensor.contents, field).extend(cells)
    request.inputs[3].parameters["nulls"].string_param = "[1]"
    answer = ask_grpc(server, request)
    assert (answer.id, answer.model_version) == ("typed", "visitors-3")
    assert not answer.raw_output_contents
    expected = _by_rest(
        server,
        {"age": [31.5, None], "visits": [3, 4], "member": [True, False], "city": ["København", None]},
    )
    label, probabilities = answer.outputs
    assert list(label.contents.int64_contents) == expected["label"]
    assert _plain(list(probabilities.contents.fp64_contents)) == _plain(expected["probabilities"])
    assert json.loads(probabilities.parameters["labels"].string_param) == [1, 2]


def ask_grpc(server: ServerProcess, request: Any) -> Any:
    """The answer to one message."""
    import grpc

    with grpc.insecure_channel(server.grpc_address) as channel:
        return service_pb2_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=60)


def test_the_messages_are_those_of_the_public_protocol() -> None:
    """Every field of ours has there the same number, type and label; one answer has a field more."""
    from grpc_tools import protoc

    target = ROOT / ".artifacts"
    target.mkdir(exist_ok=True)
    path = target / "inference.desc"
    folder = ROOT / "serving/penstock_server/protocol"
    code = protoc.main(["protoc", f"-I{folder}", f"--descriptor_set_out={path}", f"{folder}/inference.proto"])
    assert code == 0
    ours = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file[0]
    theirs = descriptor_pb2.FileDescriptorProto()
    service_pb2.DESCRIPTOR.CopyToProto(theirs)
    assert ours.package == theirs.package == "inference"
    wanted = _fields(theirs.message_type)
    extra = {key: value for key, value in _fields(ours.message_type).items() if wanted.get(key) != value}
    assert {key for key in extra if "Properties" not in key} == {"ModelMetadataResponse.properties"}
    methods = {one.name: (one.input_type, one.output_type) for one in theirs.service[0].method}
    assert ours.service[0].name == theirs.service[0].name
    for method in ours.service[0].method:
        assert methods[method.name] == (method.input_type, method.output_type)


def _fields(kinds: Any, prefix: str = "") -> dict[str, tuple[int, int, int, str]]:
    found: dict[str, tuple[int, int, int, str]] = {}
    for kind in kinds:
        for field in kind.field:
            key = f"{prefix}{kind.name}.{field.name}"
            found[key] = (field.number, field.type, field.label, field.type_name)
        found |= _fields(kind.nested_type, f"{prefix}{kind.name}.")
    return found


def test_nan_in_json_is_a_missing_number_and_stays_a_word_in_texts(served: Served) -> None:
    server = served("visitors")
    columns: dict[str, list[Any]] = {
        "age": [float("nan"), 2.5],
        "visits": [3, float("nan")],
        "member": [True, False],
        "city": ['NaN "NaN" \\', "NaN"],
    }
    body = json.dumps({"inputs": tensors(server.model, columns)}).encode()
    assert body.count(b"NaN") == 5
    nulls = {**columns, "age": [None, 2.5], "visits": [3, None]}
    assert (
        server.infer(body).json()["outputs"]
        == server.infer({"inputs": tensors(server.model, nulls)}).json()["outputs"]
    )
