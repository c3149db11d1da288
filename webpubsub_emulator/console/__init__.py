"""What a developer sees in a browser: traffic, hubs and faults."""
