"""The runtime that MLServer loads: the benchmark's graph on ONNX Runtime. Runs in MLServer's environment."""

from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse
from rivals import session


class Forest(MLModel):
    """Answers with label and probabilities."""

    async def load(self) -> bool:
        """Open the graph once."""
        self._session = session(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """One run of the graph per request."""
        rows = NumpyCodec.decode_input(payload.inputs[0])
        label, probabilities = self._session.run(["label", "probabilities"], {"x": rows})
        outputs = [
            NumpyCodec.encode_output("label", label),
            NumpyCodec.encode_output("probabilities", probabilities),
        ]
        return InferenceResponse(model_name=self.name, outputs=outputs)
