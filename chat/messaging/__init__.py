"""What the app does with messages and rooms: checks, stores, tells, changes and deletes."""
