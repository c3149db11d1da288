"""The parts of the service: hubs, connections, groups, messages, tokens and permissions."""
