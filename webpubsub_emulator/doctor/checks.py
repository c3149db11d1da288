"""The checks of an event handler, one after the other, and the fix of each thing that can be wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from ipaddress import ip_address
from typing import Final

import aiohttp
from yarl import URL

from webpubsub_emulator.doctor.findings import Finding, Verdict
from webpubsub_emulator.doctor.probes import USER, Answer, Probes
from webpubsub_emulator.upstream.abuse_protection import shake_hands
from webpubsub_emulator.upstream.event_handlers import EventHandler

__all__ = ["MAX_CLOCK_SECONDS", "findings"]

# Handlers refuse events that are further in the future, and check tokens as strictly.
MAX_CLOCK_SECONDS: Final = 300
_REFUSED: Final = frozenset({400, 401, 403})
_FIXES: Final = {
    400: "read what it says; is the hub of --hub the handler's, and does the clock agree?",
    403: "something in front of the handler refuses the request: a firewall, or App Service authentication",
    404: "its route must take POST at this path, where {event} is connect; is the hub of --hub the handler's?",
    405: "let its route take POST beside OPTIONS",
    411: "something in front of the handler sends the event on in chunks: let it keep the Content-Length",
    413: "the handler does not accept events of this size: raise its limit, or that of what is in front of it",
}
_FIX_KEY: Final = (
    "the access key is not the handler's: use the key of the service in --origin. A handler that accepts only tokens "
    "of Entra ID refuses every signature; only the service itself can test it"
)
_NO_KEY: Final = (
    "without the access key no event can be signed. Pass --access-key, or set WebPubSub__AccessKey. If the handler "
    "accepts only tokens of Entra ID, only the service itself can test it"
)


async def findings(
    session: aiohttp.ClientSession, handler: EventHandler, hub: str, origin: str, access_key: str | None
) -> AsyncIterator[Finding]:
    """Ask one handler what the service asks, then send it events; nothing is sent to one that does not consent."""
    transport = _transport(URL(handler.url(hub, "connect"), encoded=True))
    if transport is not None:
        yield transport
    handshake = await _handshake(session, handler.url(hub, "validate"), origin)
    yield handshake
    if handshake.verdict is Verdict.FAILED:
        return
    probes = Probes(session, handler.url(hub, "connect"), hub, origin)
    unproven = await probes.whole(None)
    yield _proof(unproven)
    yield _clock(unproven)
    signed = None if access_key is None else await probes.whole(access_key)
    yield _signed(signed, unproven)
    yield await _chunked(probes, access_key, signed)


def _transport(url: URL) -> Finding | None:
    """Return what is wrong with a URL without TLS; on this machine, no TLS is needed."""
    if url.scheme == "https" or _is_near(url.host or ""):
        return None
    return Finding(
        "TLS",
        Verdict.FAILED,
        f"{url.host} is asked without TLS",
        came_back="nothing keeps others from reading events and sending their own: a signature does not cover the body",
        fix="write https:// here and in the hub's event handler",
    )


def _is_near(host: str) -> bool:
    try:
        return ip_address(host).is_private
    except ValueError:
        return "." not in host


async def _handshake(session: aiohttp.ClientSession, url: str, origin: str) -> Finding:
    handshake = await shake_hands(session, url, origin)
    if handshake.problem is None:
        return Finding("handshake", Verdict.OK, f"it consents to events from {origin}")
    return Finding(
        "handshake",
        Verdict.FAILED,
        f"it does not consent to events from {origin}",
        f"OPTIONS with WebHook-Request-Origin: {origin} and ce-awpsversion: 1.0",
        handshake.problem,
        handshake.fix,
    )


def _proof(answer: Answer) -> Finding:
    if answer.status in _REFUSED:
        return Finding("proof", Verdict.OK, f"an event with a wrong signature is refused ({answer.status})")
    sent = "a connect event with a wrong signature"
    if answer.is_success:
        return Finding(
            "proof",
            Verdict.FAILED,
            "anyone who knows the URL can send events, as any user",
            sent,
            str(answer),
            "let the handler check ce-signature, or a token of Entra ID, and answer 401",
        )
    return Finding("proof", Verdict.FAILED, "it does not answer events", sent, str(answer), _fix(answer))


def _clock(answer: Answer) -> Finding:
    ahead = answer.clock_ahead
    if ahead is None:
        return Finding("clock", Verdict.SKIPPED, "the answer does not tell its time (no Date header)")
    difference = f"its clock is {abs(ahead):.0f} s {'ahead of' if ahead > 0 else 'behind'} this one"
    if abs(ahead) < MAX_CLOCK_SECONDS:
        return Finding("clock", Verdict.OK, difference if round(ahead) else "its clock agrees with this one")
    return Finding(
        "clock",
        Verdict.FAILED,
        difference,
        came_back="events look too old or too new, and tokens look expired or not yet valid",
        fix="set the clock that is wrong, here or there; let NTP keep it",
    )


def _signed(answer: Answer | None, unproven: Answer) -> Finding:
    if answer is None:
        return Finding("signed event", Verdict.SKIPPED, _NO_KEY)
    if answer.is_success:
        return Finding("signed event", Verdict.OK, f"a connect event is accepted ({answer.status})")
    # If everything is refused with 403, the signature was not even checked.
    if answer.status == 403 != unproven.status:
        return Finding("signed event", Verdict.OK, f"its proof holds, and a rule refuses the user {USER!r} (403)")
    return Finding(
        "signed event",
        Verdict.FAILED,
        "a signed connect event is not accepted",
        f"a connect event of the user {USER!r}, signed with the access key",
        str(answer),
        _FIX_KEY if answer.status == 401 else _fix(answer),
    )


async def _chunked(probes: Probes, access_key: str | None, signed: Answer | None) -> Finding:
    empty = await probes.without_body(access_key)
    if empty.is_success:
        return Finding(
            "chunked event",
            Verdict.FAILED,
            "it lets a client in whose connect event lost its body",
            "POST of a connect event with Transfer-Encoding: chunked and nothing in it",
            f"{empty}; no rule can have looked at the client's query or claims",
            "refuse a connect event without a body (411): Azure Functions does not pass on a body in chunks, "
            "so whatever is in front of the app must send a Content-Length",
        )
    if access_key is None:
        return Finding("chunked event", Verdict.OK, f"one that lost its body is refused ({empty})")
    full = await probes.in_chunks(access_key)
    if full.is_success:
        return Finding("chunked event", Verdict.OK, f"its body arrives; one that lost it is refused ({empty})")
    if signed is not None and signed.status == full.status > 0:
        return Finding("chunked event", Verdict.SKIPPED, f"it is refused as the signed event is ({full})")
    if full.failure is None and full.status < 500:
        return Finding(
            "chunked event",
            Verdict.OK,
            f"it is refused ({full}), because this host does not pass on a body in chunks. The service sends a "
            "Content-Length; whatever is in front of the handler must keep it",
        )
    return Finding(
        "chunked event",
        Verdict.FAILED,
        "it is not answered",
        "the same connect event with Transfer-Encoding: chunked",
        str(full),
        _fix(full),
    )


def _fix(answer: Answer) -> str:
    if answer.failure is not None:
        return answer.failure.fix
    if 300 <= answer.status < 400:
        return "exclude this path from whatever redirects: the service follows no redirect"
    if answer.status >= 500:
        return "read the handler's log: it failed, or its settings are wrong"
    return _FIXES.get(answer.status, "read what the handler says to this request")
