"""What the service is made of: hubs, connections, groups, messages, tokens and permissions."""
