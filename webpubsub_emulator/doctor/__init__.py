"""What is asked of an event handler to find out what is wrong with it: ``check URL``."""
