"""The application: rooms, messages, history. This is what you edit."""
