"""The subprotocols that clients speak: their frames, read and written."""
