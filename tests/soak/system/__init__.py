"""The local system under faults: its processes, what stands between them, and what its tables hold."""
