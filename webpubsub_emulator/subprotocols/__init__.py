"""The subprotocols of clients: reading and writing their frames."""
