"""How much the local system carries, and what happens beyond."""
