"""Turns: what several threads, or a call from within a call, may do with an object that keeps state.

Objects of the public API derive from `TakesTurns` and mark with `in_turn` whatever changes their state, or must not
see it half changed: such calls wait for one another. Calls that would wait for themselves are a RuntimeError: from an
iterator that feeds the object, or of two objects whose calls wait for each other.

Kernel classes don't wait: their methods, marked with `alone` (in the twins) or by `pyx/shared/_turns.pxd`, refuse a
second call while one is under way.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from threading import Lock, get_ident
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Turns:
    """The turns of one object."""

    __slots__ = ("lock", "name", "owner")

    def __init__(self, name: str) -> None:
        self.lock = Lock()
        self.name = name
        # The thread whose turn it is.
        self.owner: int | None = None

    def announce(self) -> None:
        """Say that this thread is going to wait, unless it would wait for itself."""
        me = get_ident()
        with _deciding:
            turns: Turns | None = self
            # Threads that wait for one another without me aren't my concern: hence the bound.
            for _ in range(len(_waiting) + 1):
                if turns is None or turns.owner is None or not turns.lock.locked():
                    break
                if turns.owner == me:
                    raise RuntimeError(
                        f"this {self.name} is at work in a call that waits for this one: an iterator, callback or "
                        "other object that it works with must not call it"
                    )
                turns = _waiting.get(turns.owner)
            _waiting[me] = self

    def feeding(self, items: Iterable[T]) -> Iterator[T]:
        """Yield what the work of this turn is given: whoever asks for it, be it another thread, is in the turn."""
        iterator = iter(items)
        while True:
            before, self.owner = self.owner, get_ident()
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self.owner = before
            yield item


# Which thread waits for which turn; the last thread of a circle sees it, as threads decide one after another.
_waiting: dict[int, Turns] = {}
_deciding = Lock()


def _alone_after_fork() -> None:
    # The threads that waited or decided are not in the child.
    global _deciding
    _deciding = Lock()
    _waiting.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_alone_after_fork)


class TakesTurns:
    """An object with turns, also if it was unpickled or copied."""

    __slots__ = ("_turns",)
    _turns: Turns

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self._turns = Turns(cls.__name__)
        return self

    def __getstate__(self) -> Any:
        # Without the turns: a copy or pickle is of no turn yet.
        return dict(self.__dict__)


S = TypeVar("S", bound=TakesTurns)


def in_turn(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Let calls of the marked methods of an object follow one another; Ctrl-C ends the waiting."""

    @wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        turns = self._turns
        turns.announce()
        try:
            # The lock's own `with`, since Ctrl-C can't come between it and the block.
            with turns.lock:
                turns.owner = get_ident()
                _waiting.pop(turns.owner, None)
                try:
                    return method(self, *args, **kwargs)
                finally:
                    turns.owner = None
        finally:
            _waiting.pop(get_ident(), None)

    return call


def alone(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Refuse a call of the marked methods of an object while another one is under way."""

    @wraps(method)
    def call(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        if not self._turns.lock.acquire(blocking=False):
            raise RuntimeError(f"this {self._turns.name} is at work in another call: one at a time")
        try:
            return method(self, *args, **kwargs)
        finally:
            self._turns.lock.release()

    return call
