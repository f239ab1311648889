"""``workers=``: the same tasks in this thread, in a pool of threads, or wherever the caller's executor runs.

Results come back in the order of the tasks, so that what is made of them doesn't depend on how many
workers there were. Functions sent here are module-level and take one picklable argument, so that a process
pool, Dask, loky or MPI can run them.
"""

import os
import threading
from _thread import start_new_thread
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from itertools import islice
from operator import index
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from ._backend import kernels
from ._interrupt import set_flag

T = TypeVar("T")
R = TypeVar("R")
Workers: TypeAlias = int | Executor | Callable[..., Iterable[Any]]
KernelTask: TypeAlias = tuple[str, str, str, tuple[Any, ...]]


def cpu_count() -> int:
    """Number of cores this process may use: affinity, and the cgroup's quota where there is one."""
    count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open("/sys/fs/cgroup/cpu.max", encoding="ascii") as file:
            quota, period = file.read().split()
        if quota != "max":
            count = min(count, max(1, -(-int(quota) // int(period))))
    except (OSError, ValueError):
        pass
    return count


def check_workers(workers: Workers) -> int | Executor | Callable[..., Iterable[Any]]:
    """Return `workers` with -1 made the number of cores, or raise naming what was expected."""
    given: Any = workers
    if isinstance(given, type) and issubclass(given, Executor):
        raise TypeError(f"workers must be an executor, got its class {given.__name__}")
    if callable(workers) or hasattr(workers, "submit"):
        return workers
    try:
        if isinstance(workers, bool):
            raise TypeError
        number = index(workers)
    except TypeError:
        raise TypeError(
            f"workers must be an int, a map-like callable or an executor, got {type(workers).__name__}"
        ) from None
    if number == -1:
        return cpu_count()
    if number < 1:
        raise ValueError(f"workers must be at least 1, or -1 for all cores, got {number}")
    return number


def n_threads(workers: Workers) -> int:
    """How many tasks run at once here, to choose how finely work is cut (never what it computes)."""
    checked = check_workers(workers)
    return checked if isinstance(checked, int) else cpu_count()


def call_kernel(task: KernelTask) -> Any:
    """Call one kernel: the task names (domain, function, backend) and carries the arguments."""
    domain, function, backend, arguments = task
    return getattr(kernels(domain, backend), function)(*arguments)


def run(
    function: Callable[[T], R],
    tasks: Iterable[T],
    workers: Workers = 1,
    done: Callable[[], None] | None = None,
) -> list[R]:
    """Return ``[function(task) for task in tasks]``, computed by `workers`.

    `done` is called in the calling thread after each result. An exception or Ctrl-C cancels what has not
    started, stops running kernels at their next poll, and is raised here.
    """
    return list(stream(function, tasks, workers, done))


def stream(
    function: Callable[[T], R],
    tasks: Iterable[T],
    workers: Workers = 1,
    done: Callable[[], None] | None = None,
) -> Iterator[R]:
    """Like `run`, but yield results in order while at most two tasks a worker are under way."""
    workers = check_workers(workers)
    results: Iterable[R]
    if workers == 1:
        results = map(function, tasks)
    elif isinstance(workers, int):
        results = _threads(function, tasks, workers)
    elif hasattr(workers, "submit"):
        results = _executor(function, tasks, workers)
    else:
        results = _mapped(function, tasks, workers)
    for result in results:
        if done is not None:
            done()
        yield result


def gathered(parts: list[tuple[NDArray[Any], ...]]) -> tuple[NDArray[Any], ...]:
    """Put arrays of parts together, column by column; `parts` loses each as it is copied, so that all are held once."""
    if len(parts) == 1:
        return parts.pop()
    columns = tuple(np.empty((sum(map(len, column)), *column[0].shape[1:]), column[0].dtype) for column in zip(*parts))
    begins = [0] * len(columns)
    parts.reverse()
    while parts:
        for i, values in enumerate(parts.pop()):
            columns[i][begins[i] : begins[i] + len(values)] = values
            begins[i] += len(values)
    return columns


def _threads(function: Callable[[T], R], tasks: Iterable[T], number: int) -> Iterator[R]:
    """Threads of our own, not a pool's.

    Ctrl-C may come at any moment in the calling thread, also within a pool's locks, and then nobody would ever
    get them again. This side of the threads touches only queues that are written in C.
    """
    cancelled = threading.Event()
    todo: SimpleQueue[tuple[int, T] | None] = SimpleQueue()
    results: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()
    ended: SimpleQueue[None] = SimpleQueue()

    def work() -> None:
        set_flag(cancelled)
        while (item := todo.get()) is not None:
            result, problem = None, None
            try:
                result = function(item[1])
            except BaseException as error:
                problem = error
            results.put((item[0], result, problem))
            del item, result, problem  # not kept while waiting
        ended.put(None)

    started = sent = taken = 0
    arrived: dict[int, tuple[Any, BaseException | None]] = {}
    rest = enumerate(tasks)
    try:
        while started < number:
            start_new_thread(work, ())
            started += 1
        while True:
            for item in islice(rest, 2 * number - (sent - taken)):
                sent += 1
                todo.put(item)
            if taken == sent:
                return
            while taken not in arrived:
                place, result, problem = _next(results)
                arrived[place] = result, problem
            result, problem = arrived.pop(taken)
            taken += 1
            if problem is not None:
                raise problem
            yield result
            del result
    except BaseException:
        cancelled.set()
        raise
    finally:
        with suppress(Empty):
            while True:
                todo.get_nowait()
        for _ in range(number):
            todo.put(None)
        for _ in range(started):
            _next(ended)


def _next(queue: "SimpleQueue[R]") -> R:
    # Waiting in slices lets Ctrl-C through on every platform.
    while True:
        try:
            return queue.get(timeout=0.1)
        except Empty:
            continue


def _mapped(function: Callable[[T], R], tasks: Iterable[T], workers: Callable[..., Iterable[R]]) -> Iterator[R]:
    """Count what a caller's `workers` gets and gives back: results that are missing would go unnoticed."""
    sent = received = 0
    rest = iter(tasks)

    def counted() -> Iterator[T]:
        nonlocal sent
        for task in rest:
            sent += 1
            yield task

    results = workers(function, tasks if isinstance(tasks, Sized) else counted())
    if not isinstance(results, Iterable):
        raise TypeError(f"workers must return an iterable of results, as map does, got {type(results).__name__}")
    for result in results:
        received += 1
        yield result
    next(counted(), None)  # a task that `workers` never asked for counts too
    expected = len(tasks) if isinstance(tasks, Sized) else sent
    if received != expected:
        raise ValueError(f"workers must return one result a task, as map does, got {received} results")


def _executor(function: Callable[[T], R], tasks: Iterable[T], executor: Any) -> Iterator[R]:
    yield from _in_order(executor.submit, function, tasks, 4 * cpu_count())


def _in_order(
    submit: Callable[..., "Future[R]"], function: Callable[[T], R], tasks: Iterable[T], ahead: int
) -> Iterator[R]:
    pending: deque[Future[R]] = deque()
    try:
        for task in tasks:
            pending.append(submit(function, task))
            if len(pending) >= ahead:
                yield _result(pending.popleft())
        while pending:
            yield _result(pending.popleft())
    finally:
        for future in pending:
            future.cancel()


def _result(future: "Future[R]") -> R:
    if isinstance(future, Future):
        # Waiting in slices lets Ctrl-C through on every platform.
        while not future.done():
            wait([future], timeout=0.1)
    return future.result()
