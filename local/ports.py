"""The ports of the stack's parts, checked before anything starts."""

from __future__ import annotations

import errno
from collections.abc import Sequence
from itertools import combinations

from local.exceptions import StackError
from local.part import Part
from webpubsub_emulator.listeners import ABSENT, LOOPBACK_ADDRESSES, bind

__all__ = ["refuse_taken_ports"]


def refuse_taken_ports(parts: Sequence[Part]) -> None:
    """Check every port, at both addresses that ``localhost`` may mean.

    Raises:
        StackError: Some cannot be used, or two parts have the same one; it names each with its flag.
    """
    for first, second in combinations(parts, 2):
        if first.port == second.port:
            raise StackError(
                f"port {first.port} is for {first.name} and for {second.name}: choose another with {second.flag}"
            )
    problems = [problem for part in parts if (problem := _problem(part))]
    if problems:
        raise StackError("\n  ".join(problems))


def _problem(part: Part) -> str | None:
    for address in LOOPBACK_ADDRESSES:
        try:
            bind(address, part.port).close()
        except OSError as error:
            if error.errno in ABSENT:
                continue
            port = f"port {part.port} for {part.name}"
            if error.errno == errno.EADDRINUSE:
                where = error.filename or address
                return f"{port} is taken at {where}: stop the program there, or choose another with {part.flag}"
            if error.errno == errno.EACCES:
                return f"{port} is not for this user ({error.strerror}): choose one above 1023 with {part.flag}"
            return f"{port} cannot be used ({error.strerror}): choose another with {part.flag}"
    return None
