"""What never changes needn't be copied, and goes to another process once."""

from __future__ import annotations

import os
import pickle
import tempfile
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from secrets import token_hex
from typing import Any, Self, TypeVar
from weakref import WeakKeyDictionary, finalize, ref

from ._workers import Workers, stream

T = TypeVar("T")
R = TypeVar("R")

KEPT = 4  # objects that a process keeps of those it was sent
_received: OrderedDict[str, Any] = OrderedDict()


class Immutable:
    """An object whose copies are itself."""

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self


def stream_with(
    function: Callable[[tuple[Any, T]], R], shared: Any, tasks: Iterable[T], workers: Workers
) -> Iterator[R]:
    """Yield ``function((shared, task))`` for each task, in order, as `_workers.stream` does.

    Tasks that are pickled carry the name of a file in place of the shared object, which each process reads once. Where
    there is no such file, as on another machine, the task comes back and is sent again with the object.
    """
    if isinstance(workers, int):
        yield from stream(function, ((shared, task) for task in tasks), workers)
        return
    if shared not in _parcels:
        _parcels[shared] = _Parcel(ref(shared))
    parcel = _parcels[shared]
    sent: deque[T] = deque()

    def wrapped() -> Iterator[tuple[Any, _Parcel, T]]:
        for task in tasks:
            sent.append(task)
            yield function, parcel, task

    for result in stream(_with_parcel, wrapped(), workers):
        task = sent.popleft()
        if isinstance(result, _NotThere):
            result = next(stream(function, [(shared, task)], workers))
        yield result


class _NotThere:
    """What a process returns that couldn't get at the shared object."""


class _Parcel:
    """Leads to an object; pickled, to a file that holds it, which is written then and lives as long as the object."""

    def __init__(self, content: Callable[[], Any]) -> None:
        self.content = content
        self._name: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self._name is None:
            # No two are alike, on whatever machine.
            handle, name = tempfile.mkstemp(prefix=f"fastcore-{token_hex(16)}-")
            finalize(self, _remove, name, os.getpid())
            with open(handle, "wb") as file:
                pickle.dump(self.content(), file, pickle.HIGHEST_PROTOCOL)
            self._name = name
        return _unpacked, (self._name,)


_parcels: WeakKeyDictionary[Any, _Parcel] = WeakKeyDictionary()


def _remove(name: str, owner: int) -> None:
    # A forked process has the object too, but the file isn't its own.
    if os.getpid() == owner:
        with suppress(OSError):
            os.unlink(name)


def _unpacked(name: str) -> _Parcel:
    if name in _received:
        _received.move_to_end(name)
    else:
        try:
            with open(name, "rb") as file:
                _received[name] = pickle.load(file)
        except OSError:
            return _Parcel(_NotThere)
    while len(_received) > KEPT:
        _received.popitem(last=False)
    content = _received[name]
    return _Parcel(lambda: content)


def _with_parcel(task: tuple[Callable[[tuple[Any, T]], R], _Parcel, T]) -> R | _NotThere:
    function, parcel, rest = task
    content = parcel.content()
    return content if isinstance(content, _NotThere) else function((content, rest))
