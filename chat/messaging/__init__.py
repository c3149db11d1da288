"""What the app does with messages and rooms: check, store, broadcast, change and delete."""
