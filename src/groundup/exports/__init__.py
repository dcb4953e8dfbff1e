"""A model in other forms: Hugging Face, ONNX, GGUF, and with fewer bits a weight."""

import os

# ONNX Runtime looks at its own switch once, when it is imported; left alone it reports to its maker and writes a device's id.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"
