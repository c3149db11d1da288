"""The REST API that the service SDKs call."""
