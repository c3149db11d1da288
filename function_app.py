"""The Functions app: settings in, routes out. What happens on an event is in ``chat/events.py``."""

from __future__ import annotations

import gc

# Until the end of this file: loading modules makes no garbage, and looking for some takes a tenth of the start.
gc.disable()

import asyncio
import logging
import os
from pathlib import Path

import azure.functions as func

from chat.api import ChatApi, json_response
from chat.backends.service import Service
from chat.backends.table_store import TableStore
from chat.demo import DemoFiles
from chat.event_handler import make_event_handler
from chat.messaging.checks import Checks
from chat.messaging.delivery import Delivery
from chat.messaging.outbox import Outbox
from chat.messaging.private_rooms import PrivateRooms
from chat.settings import ClientAuth, Settings, SettingsError
from chat.upkeep.retention import SCHEDULE, Retention
from webpubsub_handler.azure_functions import blueprint, to_func_response

logger = logging.getLogger("chat")

# The Azure SDKs log two lines for every call at INFO, and a line costs the worker 0.1 ms.
for sdk in ("azure.core", "azure.identity"):
    logging.getLogger(sdk).setLevel(logging.WARNING)


def build(settings: Settings, store: TableStore, service: Service, outbox: Outbox) -> func.FunctionApp:
    """Make the app with all its routes."""
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)
    by_key = settings.client_auth is ClientAuth.FUNCTION_KEY
    client_level = func.AuthLevel.FUNCTION if by_key else func.AuthLevel.ANONYMOUS

    delivery = Delivery(store, service, outbox, Checks(settings.max_message_bytes))
    private_rooms = PrivateRooms(outbox, service) if settings.has_private_rooms else None
    handler = make_event_handler(settings, store, service, outbox, delivery, private_rooms)
    api = ChatApi(settings, store, service, outbox, private_rooms)

    app.register_functions(blueprint(handler, route="eventhandler/{event?}"))

    @app.route("negotiate", methods=["GET", "POST"], auth_level=client_level)
    async def negotiate(req: func.HttpRequest) -> func.HttpResponse:
        return to_func_response(await api.negotiate(req.headers, req.url))

    @app.route("messages", methods=["GET"], auth_level=client_level)
    async def messages(req: func.HttpRequest) -> func.HttpResponse:
        return to_func_response(await api.messages(req.headers, req.url))

    @app.route("presence", methods=["GET"], auth_level=client_level)
    async def presence(req: func.HttpRequest) -> func.HttpResponse:
        return to_func_response(await api.presence(req.headers, req.url))

    @app.route("health", methods=["GET"])
    async def health(req: func.HttpRequest) -> func.HttpResponse:
        return to_func_response(await api.health())

    if settings.message_retention_days:
        cleaner = Retention(store, settings.message_retention_days)

        @app.timer_trigger(arg_name="timer", schedule=SCHEDULE)
        async def retention(timer: func.TimerRequest) -> None:
            await cleaner.run()

    if settings.serve_demo:
        files = DemoFiles(Path(__file__).parent / "demo", settings)

        @app.route("demo/{*file}", methods=["GET"])
        async def demo(req: func.HttpRequest) -> func.HttpResponse:
            return to_func_response(files.get(req.url, req.route_params.get("file", "")))

    return app


def refuse(error: SettingsError) -> func.FunctionApp:
    """Make an app that only reports which settings are wrong.

    An app that fails to start has no functions and answers 404 everywhere, which explains nothing.
    """
    app = func.FunctionApp(http_auth_level=func.AuthLevel.ANONYMOUS)

    @app.route("{*path}")
    async def refused(req: func.HttpRequest) -> func.HttpResponse:
        is_health = req.route_params.get("path", "").lower() == "health"
        body = {"status": "unhealthy", "settings": error.problems} if is_health else {"status": "unhealthy"}
        return to_func_response(json_response(503, body))

    return app


def open_clients(store: TableStore, service: Service) -> None:
    """Make the clients of the SDKs, so that no event waits for it; without a running loop, the first call does.

    A worker has no hook for its start, but its loop already runs while it imports this module.

    Raises:
        SettingsError: An SDK does not accept a setting of its own, such as ``AZURE_TOKEN_CREDENTIALS``.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    try:
        store.open()
        service.open()
    except ValueError as error:
        raise SettingsError(["AZURE_…: an Azure SDK does not accept a setting; the app's log says which"]) from error


try:
    settings = Settings.from_env(os.environ)
    store = TableStore(settings.hub, settings.storage)
    service = Service(settings.hub, settings.endpoints[0])
    open_clients(store, service)
    app = build(settings, store, service, Outbox(store, service))
except SettingsError as error:
    logger.error("%s", error, exc_info=error.__cause__)
    app = refuse(error)
else:
    # Not on a developer's machine: nobody else can connect there, and the sample settings cause the warnings.
    if os.environ.get("AZURE_FUNCTIONS_ENVIRONMENT") != "Development":
        for warning in settings.warnings:
            logger.warning("%s", warning)

# What is loaded stays loaded: a garbage collection that walks all of it delays an event by 20 ms.
gc.freeze()
gc.enable()
