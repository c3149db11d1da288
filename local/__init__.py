"""The replacements for Azure on a developer's machine; never deployed."""
