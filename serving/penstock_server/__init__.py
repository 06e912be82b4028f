"""The model server: Open Inference Protocol v2 over ONNX Runtime."""
