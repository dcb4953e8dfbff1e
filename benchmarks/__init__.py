"""Measurements of the library beside others: `benchmarks/README.md`. A package of its own, since another of this name may be installed."""
