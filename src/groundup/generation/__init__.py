"""Generation: sampling, and the engine that turns ids into more ids."""
