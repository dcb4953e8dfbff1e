"""A model over HTTP: the engine behind an OpenAI-compatible interface, guarded and measured, with pages to talk with it and to look inside."""
