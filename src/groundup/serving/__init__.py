"""A model over HTTP: the engine behind an OpenAI-compatible interface, guarded and measured, with pages to talk and to look inside."""
