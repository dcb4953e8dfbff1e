"""The network: its settings, the transformer itself, its counts, and the Hugging Face families that it can be written as."""
