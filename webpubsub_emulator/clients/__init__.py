"""The WebSocket side: where clients connect, and what happens with their frames."""
