"""What the app and its tools cost, each beside its baseline in the same run: ``python -m benchmarks``."""
