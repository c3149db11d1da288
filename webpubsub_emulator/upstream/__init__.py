"""What goes to event handlers: CloudEvents, the handshake, retries, and the record of it."""
