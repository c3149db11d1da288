"""An issuer of tokens on this machine: RSA keys, the key set that it publishes over HTTP, and tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from functools import cache
from typing import Any, Final

import jwt
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key

__all__ = ["Issuer", "private_key", "serving"]


@cache
def private_key(key_id: str) -> RSAPrivateKey:
    """Return the key of this name; keys take a while to make."""
    return generate_private_key(65537, 2048)


class Issuer:
    """Publishes the public half of its keys and its name, and counts who asks."""

    def __init__(self, key_ids: Iterable[str] = ("one",)) -> None:
        self.key_ids: Final = list(key_ids)
        self.asked = 0
        self.url = ""
        self.answer: web.Response | None = None
        self.name = "https://issuer.example/"
        self.asked_for_metadata = 0
        self.metadata_url = ""
        self.metadata_answer: web.Response | None = None

    async def keys(self, _: web.Request) -> web.Response:
        self.asked += 1
        if self.answer is not None:
            return self.answer
        return web.json_response({"keys": [self.public_key(key_id) for key_id in self.key_ids]})

    async def metadata(self, _: web.Request) -> web.Response:
        self.asked_for_metadata += 1
        return self.metadata_answer or web.json_response({"issuer": self.name})

    @staticmethod
    def public_key(key_id: str) -> dict[str, Any]:
        """Return a key as the issuer publishes it: without ``alg``, as Entra ID does."""
        key = jwt.algorithms.RSAAlgorithm.to_jwk(private_key(key_id).public_key(), as_dict=True)
        return {**key, "kid": key_id, "use": "sig"}

    @staticmethod
    def token(claims: dict[str, Any], key_id: str = "one", **header: Any) -> str:
        """Sign a token with a key, under its name unless ``header`` says another."""
        return jwt.encode(claims, private_key(key_id), header.pop("alg", "RS256"), {"kid": key_id, **header})


@asynccontextmanager
async def serving(issuer: Issuer) -> AsyncIterator[Issuer]:
    """Serve the key set and the metadata of an issuer on a free port."""
    app = web.Application()
    app.router.add_get("/keys", issuer.keys)
    app.router.add_get("/metadata", issuer.metadata)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        issuer.url = f"http://127.0.0.1:{runner.addresses[0][1]}/keys"
        issuer.metadata_url = issuer.url.replace("/keys", "/metadata")
        yield issuer
    finally:
        await runner.cleanup()
