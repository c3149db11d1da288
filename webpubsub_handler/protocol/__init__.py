"""Web PubSub's event protocol without I/O: HTTP messages to typed events, typed responses to HTTP messages."""
