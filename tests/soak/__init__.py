"""Breaks the whole local system for minutes, and counts what was lost: ``python -m tests.soak --help``."""
