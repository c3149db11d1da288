"""Finds out what is wrong with an event handler: ``check URL``."""
