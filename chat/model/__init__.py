"""Messages, rooms and their keys: no I/O, and no state except that of the rate limits."""
