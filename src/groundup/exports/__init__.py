"""A model in other forms: Hugging Face, ONNX, GGUF, and with fewer bits a weight."""
