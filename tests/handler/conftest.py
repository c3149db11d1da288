"""An event handler without functions; each test gives it its own."""

from __future__ import annotations

import pytest

from tests.wire import ACCESS_KEY
from webpubsub_handler import AccessKeyAuthenticator, WebPubSubEventHandler


@pytest.fixture
def handler() -> WebPubSubEventHandler:
    return WebPubSubEventHandler("chat", [AccessKeyAuthenticator([ACCESS_KEY])], allowed_origins=["localhost"])
