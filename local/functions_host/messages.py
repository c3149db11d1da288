"""What a function sees of a request, and what becomes of its response, quirks of the real host included."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl

import azure.functions as func
from aiohttp import HttpVersion11, web
from multidict import CIMultiDict

__all__ = ["BadRequestError", "read_request", "write_response"]

_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
logger: Final = logging.getLogger("local.functions_host")


class BadRequestError(Exception):
    """Raised when a header has bytes that are not UTF-8."""


async def read_request(request: web.BaseRequest, parameters: Mapping[str, str]) -> func.HttpRequest:
    """Return the SDK's request: names lower-cased, repeated fields joined, empty query values dropped.

    Raises:
        BadRequestError: The host would answer 400.
    """
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        try:
            value.encode()
        except UnicodeEncodeError:
            raise BadRequestError from None
        key = name.lower()
        headers[key] = f"{headers[key]},{value}" if key in headers else value
    query: dict[str, str] = {}
    for key, value in parse_qsl(request.raw_path.partition("?")[2], keep_blank_values=False):
        query[key] = f"{query[key]},{value}" if key in query else value
    if headers.get("expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    body = await request.read()
    return func.HttpRequest(
        request.method,
        f"http://{request.host}{request.raw_path}",
        headers=headers,
        params=query,
        route_params=dict(parameters),
        # The host hands over nothing of a request that does not tell its length.
        body=body if "content-length" in headers else b"",
    )


def write_response(response: object, request: web.BaseRequest) -> web.Response:
    """Return the answer to send for what a function returned.

    Raises:
        TypeError: It is not a response.
        ValueError: The real host could not send it.
    """
    if isinstance(response, str):
        logger.warning("A function returned str; the host sniffs JSON in it: return func.HttpResponse instead.")
        response = func.HttpResponse(_sniffed(response))
    if not isinstance(response, func.HttpResponse):
        raise TypeError(f"a function must return func.HttpResponse, not {type(response).__name__}")
    body = response.get_body()
    if body and response.status_code in (204, 304):
        raise ValueError(f"a response of status {response.status_code} cannot have a body")
    answer = web.Response(status=response.status_code, body=body, headers=_headers(response, body))
    if body and "Content-Length" not in answer.headers and request.version >= HttpVersion11:
        answer.enable_chunked_encoding()
    return answer


def _headers(response: func.HttpResponse, body: bytes) -> CIMultiDict[str]:
    charset = f"; charset={response.charset}" if response.mimetype.startswith("text/") else ""
    headers = CIMultiDict({"Content-Type": f"{response.mimetype}{charset}"})
    for name, value in response.headers.items():
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"{name!r} cannot name a header: letters, digits and - only")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"the header {name} has characters beyond printable ASCII: encode its value")
        if name.lower() == "set-cookie":
            headers.add(name, value)
        else:
            headers[name] = value
    if "Transfer-Encoding" in headers or headers.get("Content-Length", str(len(body))) != str(len(body)):
        raise ValueError("a function must leave Content-Length and Transfer-Encoding to the host")
    return headers


def _sniffed(text: str) -> str:
    try:
        document = json.loads(text)
    except ValueError:
        return text
    return json.dumps(document, indent=2) if isinstance(document, dict | list) else text
