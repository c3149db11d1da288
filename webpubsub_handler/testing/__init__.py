"""For the tests of your functions: events as the service sends them, and contexts to call a function with."""

from __future__ import annotations

from webpubsub_handler.testing.client import EventClient, Sender
from webpubsub_handler.testing.factories import make_context, make_user_event

__all__ = ["EventClient", "Sender", "make_context", "make_user_event"]
