"""Settings from a JSON file and from the environment, with the key names of Microsoft's emulator.

Both are one tree: ``WebPubSub__Hubs__chat__EventHandlers__0__UrlTemplate`` in the environment is, in the file,
``{"WebPubSub":{"Hubs":{"chat":{"EventHandlers":[{"UrlTemplate":…}]}}}}``. The environment goes before the file, key by
key. Keys have no case. Every problem is reported at once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from webpubsub_emulator.core.exceptions import EventHandlerError, SettingsError
from webpubsub_emulator.upstream.event_handlers import EventHandler

__all__ = ["KEYS", "Configuration", "read_configuration"]

ROOT: Final = "WebPubSub"
_HANDLER: Final = "Hubs:{hub}:EventHandlers:{n}"
KEYS: Final = {
    "AccessKey": "the primary key; its default is public",
    "SecondaryAccessKey": "a second key, for example while you rotate keys; events are signed with both",
    "AllowUnvalidatedEntraTokens": "true or false",
    "Hubs:{hub}:AnonymousConnectPolicy": "allow or deny: whether clients may connect without a token",
    f"{_HANDLER}:UrlTemplate": "where events go; {hub} and {event} are filled in",
    f"{_HANDLER}:SystemEvents:{{n}}": "connect, connected or disconnected",
    f"{_HANDLER}:EventPattern": "user events: *, one name, or names between commas",
    f"{_HANDLER}:GroupPresenceEvents:EventNames:{{n}}": "joined or left",
    f"{_HANDLER}:GroupPresenceEvents:GroupFilters:{{n}}": "a group, in which * is any text; none: all groups",
    f"{_HANDLER}:Auth:Type": "None, and nothing else",
}
"""Every key below ``WebPubSub``, as a file nests it, and what it takes."""
_HANDLER_KEYS: Final = "UrlTemplate, SystemEvents, EventPattern and GroupPresenceEvents"
_GROUP_KEYS: Final = "EventNames and GroupFilters"
# How many keys lead to an event handler: root, Hubs, the hub, EventHandlers, its number.
_HANDLER_DEPTH: Final = 5


@dataclass(frozen=True, slots=True)
class Configuration:
    """What file and environment say; ``None`` is nothing."""

    access_key: str | None = None
    secondary_access_key: str | None = None
    allow_unvalidated_entra_tokens: bool = False
    event_handlers: Mapping[str, list[EventHandler]] = field(default_factory=dict)
    anonymous_hubs: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Value:
    """One value and the keys that lead to it, as its source writes them."""

    keys: tuple[str, ...]
    text: str
    file: Path | None = None

    @property
    def name(self) -> str:
        """The full key in its source's spelling."""
        return self.spelled(self.keys)

    def spelled(self, keys: tuple[str, ...]) -> str:
        """Return a key in the spelling of this value's source."""
        return "__".join(keys) if self.file is None else f"{':'.join(keys)} in {self.file}"


_Values = dict[tuple[str, ...], _Value]


def read_configuration(environ: Mapping[str, str], file: Path | None = None) -> Configuration:
    """Read the settings of a file, if any, and of the environment.

    Raises:
        SettingsError: for a file that is not such JSON, a key that is not known, and a value that cannot work; all of
            them, each with its key and the fix.
    """
    values = _from_file(file) if file is not None else {}
    values.update(_from_environ(environ))
    return _Reader().read(values)


def _from_environ(environ: Mapping[str, str]) -> _Values:
    values: _Values = {}
    for name, text in environ.items():
        keys = tuple(name.split("__"))
        if len(keys) > 1 and keys[0].lower() == ROOT.lower():
            values[tuple(key.lower() for key in keys[1:])] = _Value(keys, text)
    return values


def _from_file(file: Path) -> _Values:
    try:
        tree = json.loads(file.read_text("utf-8-sig"))
    except OSError as error:
        raise SettingsError(f"{file} cannot be read: {error.strerror}.") from None
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{file} is not valid JSON: {error}.") from None
    sections = tree if isinstance(tree, dict) else {}
    # Other sections are for other programs, as in an appsettings.json.
    found = {key: section for key, section in sections.items() if key.lower() == ROOT.lower()}
    if not found:
        raise SettingsError(f'{file} has no {ROOT} section: write {{"{ROOT}": {{"Hubs": {{…}}}}}}.')
    return {tuple(key.lower() for key in value.keys[1:]): value for value in _leaves(found, (), file)}


def _leaves(node: Any, keys: tuple[str, ...], file: Path) -> Iterator[_Value]:
    """Return the values of a JSON tree; members of a list have their number as key, and null is nothing."""
    if isinstance(node, dict | list):
        for key, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield from _leaves(child, (*keys, str(key)), file)
    elif node is not None:
        yield _Value(keys, node if isinstance(node, str) else json.dumps(node), file)


class _Reader:
    """Sorts values into a configuration, and collects what is wrong with them."""

    def __init__(self) -> None:
        self._problems: list[str] = []
        self._handlers: dict[tuple[str, int], _Values] = {}
        self._anonymous: set[str] = set()
        self._keys: dict[str, str] = {}
        self._allow_unvalidated = False

    def read(self, values: _Values) -> Configuration:
        for path, value in values.items():
            self._take(path, value)
        handlers: dict[str, list[EventHandler]] = {}
        for (hub, _), handler_values in sorted(self._handlers.items()):
            handler = self._event_handler(handler_values)
            if handler is not None:
                handlers.setdefault(hub, []).append(handler)
        if self._problems:
            raise SettingsError("\n".join(self._problems))
        return Configuration(
            self._keys.get("accesskey"),
            self._keys.get("secondaryaccesskey"),
            self._allow_unvalidated,
            handlers,
            frozenset(self._anonymous),
        )

    def _take(self, path: tuple[str, ...], value: _Value) -> None:
        match path:
            case ("accesskey" | "secondaryaccesskey" as key,):
                self._keys[key] = value.text
            case ("allowunvalidatedentratokens",):
                self._allow_unvalidated = self._one_of(value, "true", "false") == "true"
            case ("hubs", hub, "anonymousconnectpolicy"):
                if self._one_of(value, "allow", "deny") == "allow":
                    self._anonymous.add(hub)
            case ("hubs", hub, "eventhandlers", number, *rest) if number.isdecimal() and rest:
                self._handlers.setdefault((hub, int(number)), {})[tuple(rest)] = value
            case ("hubs", _, "eventlisteners", *_):
                self._problems.append(
                    f"{value.name}: event listeners need Event Hubs, which this emulator does not speak; remove it."
                )
            case _:
                known = (key for key in KEYS if not key.startswith(_HANDLER))
                self._problems.append(f"{value.name} is not known; there are {', '.join(known)} and {_HANDLER}:….")

    def _event_handler(self, values: _Values) -> EventHandler | None:
        self._problems += filter(None, (_problem(path, value) for path, value in values.items()))
        keys = next(iter(values.values())).keys[:_HANDLER_DEPTH]
        spelled = next(iter(values.values())).spelled
        url_template, event_pattern = (values.get((key,)) for key in ("urltemplate", "eventpattern"))
        if url_template is None or not url_template.text:
            self._problems.append(f"{spelled((*keys, 'UrlTemplate'))} is missing: set it to the event handler's URL.")
            return None
        try:
            return EventHandler(
                url_template.text,
                frozenset(text.lower() for text in _list(values, "systemevents")),
                event_pattern.text if event_pattern is not None else "",
                frozenset(text.lower() for text in _list(values, "grouppresenceevents", "eventnames")),
                tuple(_list(values, "grouppresenceevents", "groupfilters")),
            )
        except EventHandlerError as error:
            self._problems.append(f"{spelled(keys)}: {error}")
            return None

    def _one_of(self, value: _Value, *allowed: str) -> str | None:
        text = value.text.lower()
        if text in allowed:
            return text
        self._problems.append(f"{value.name} must be {' or '.join(allowed)}, not {value.text!r}.")
        return None


def _list(values: _Values, *keys: str) -> list[str]:
    """Return the members of a list of an event handler."""
    return [value.text for path, value in values.items() if path[:-1] == keys and path[-1].isdecimal()]


def _problem(path: tuple[str, ...], value: _Value) -> str | None:
    """Return what is wrong with a key of an event handler; ``None`` when nothing is."""
    match path:
        case ("urltemplate",) | ("eventpattern",):
            return None
        case ("systemevents", number) | ("grouppresenceevents", "eventnames" | "groupfilters", number) if (
            number.isdecimal()
        ):
            return None
        case ("auth", "type") if value.text.lower() == "none":
            return None
        case ("auth", *_):
            return (
                f"{value.name}: events are not sent with a managed identity here, as there is no Entra ID; "
                "remove Auth, and let the handler check the signature."
            )
        case ("usereventpattern",):
            return f"{value.name} is the name in Azure; Microsoft's emulator and this one call it EventPattern."
        case ("systemevents", *_) | ("grouppresenceevents", "eventnames" | "groupfilters", *_):
            return f'{value.name} must be a list, such as ["{value.text}"]; in the environment: …__0, …__1.'
        case ("grouppresenceevents", *_):
            return f"{value.name} is not known; GroupPresenceEvents has {_GROUP_KEYS}."
        case _:
            return f"{value.name} is not known; an event handler has {_HANDLER_KEYS}."
