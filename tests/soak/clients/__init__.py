"""Real clients of every kind, and what they do."""
