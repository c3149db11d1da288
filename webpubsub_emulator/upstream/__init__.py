"""What is sent to event handlers: CloudEvents, the handshake, retries, and the record of it."""
