"""The messages of the gRPC protocols. Modules that end in _pb2 are generated: `python -m hack.grpc_stubs`."""

from typing import Any

from penstock_server.protocol import health_pb2, inference_pb2

# protoc writes no types that mypy knows.
messages: Any = inference_pb2
health: Any = health_pb2
