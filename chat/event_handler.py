"""The app's event handler: the proofs that it demands, and the function for each event."""

from __future__ import annotations

from chat.authenticators import make_authenticators
from chat.backends.history import History
from chat.backends.service import Service
from chat.backends.table_store import TableStore
from chat.events import ChatEvents
from chat.messaging.changes import Changes
from chat.messaging.chat_client_events import ChatClientEvents
from chat.messaging.delivery import Delivery
from chat.messaging.outbox import Outbox
from chat.messaging.presence import Announcer
from chat.messaging.private_rooms import PrivateRooms
from chat.settings import Settings
from webpubsub_handler import WebPubSubEventHandler

__all__ = ["make_event_handler"]


def make_event_handler(
    settings: Settings,
    store: TableStore,
    service: Service,
    outbox: Outbox,
    delivery: Delivery,
    private_rooms: PrivateRooms | None,
) -> WebPubSubEventHandler:
    """Make the handler with a function for each event; if ``private_rooms`` is None, there are none."""
    handler = WebPubSubEventHandler(
        settings.hub,
        make_authenticators(settings),
        allowed_origins=settings.allowed_origins,
        max_event_age=settings.max_event_age_seconds or None,
    )
    handler.middleware(outbox.note_event)
    events = ChatEvents(
        delivery,
        Changes(store, delivery),
        service,
        Announcer(service) if settings.announces_presence else None,
        private_rooms=private_rooms,
        default_room=settings.default_room,
        max_messages_per_second=settings.max_messages_per_second,
    )
    events.register(handler)
    if private_rooms is not None:
        ChatClientEvents(private_rooms, History(store), send=events.send, wait_of=events.wait_of).register(handler)
    return handler
