"""Work spread over several processes, whose results are the same for any number of them.

Workers are forked from this process, share its memory as it is (only what they change is copied), and send back
results over a pipe. A worker that dies takes down what it was at, and nothing else: each item of that is said to have
failed, with the reason.
"""

from __future__ import annotations

import gc
import os
import pickle
import selectors
import signal
import struct
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from layoutgen import memory

Result = TypeVar("Result")

TICK = 0.2
"""Seconds after which progress is told again, while nothing happens."""
_NO_MEMORY = 12
"""Exit code of a worker that ran out of memory; ENOMEM, as it happens."""
_HEAD = struct.Struct("<Q")
"""Length of a message to the parent, or number of a bundle to a worker."""


def cores() -> int:
    """On how many cores this process may run."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def can_fork() -> bool:
    """Whether this process may be copied: a thread could hold a lock that nobody in the copy would ever release.

    Only on Linux: elsewhere system libraries have threads of their own.
    """
    return sys.platform == "linux" and threading.active_count() == 1


@dataclass(eq=False)
class _Worker(Generic[Result]):
    """A process, the ends of its two pipes, and the names of what it has yet to answer for."""

    pid: int
    tasks: int
    results: int
    left: list[str] = field(default_factory=list)
    buffer: bytearray = field(default_factory=bytearray)

    def messages(self) -> Iterator[tuple[str, Result | None]]:
        """What has come in whole: a name as its work begins, and again with its result."""
        while len(self.buffer) >= _HEAD.size:
            end = _HEAD.size + _HEAD.unpack_from(self.buffer)[0]
            if len(self.buffer) < end:
                return
            name, result = pickle.loads(bytes(self.buffer[_HEAD.size : end]))  # noqa: S301  of our own process
            del self.buffer[:end]
            if result is not None:
                self.left.remove(name)
            yield name, result

    def ended(self) -> str:
        """Wait for its end, and say what it died of."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        if status < 0:
            kill = " (for want of memory?)" if status == -signal.SIGKILL else ""
            return f"the process that ran it was ended by signal {-status}{kill}"
        if status == _NO_MEMORY:
            return memory.want()
        return f"the process that ran it ended before it, with exit code {status}"


def spread(
    bundles: Sequence[Sequence[str]], work: Callable[[str], Result], jobs: int, began: Callable[[str], None]
) -> dict[str, Result | str]:
    """The result of `work` for each name, or why there is none.

    bundles: names that one worker does one after the other, because they share what it finds out; handed out in this
    order, so the longest belong in front. began: told each name as its work begins, and the last one again while
    nothing happens. `work` may not raise, and its results must be picklable and not None. Where the system allows no
    further process at all, nothing is done: the result is empty.
    """
    out: dict[str, Result | str] = {}
    todo = list(range(len(bundles)))
    current = ""
    workers: list[_Worker[Result]] = []
    with selectors.DefaultSelector() as ready:
        try:
            gc.freeze()  # or collecting garbage would write to, and so copy, all that is shared
            for _ in range(min(jobs, len(bundles))):
                if (worker := _fork(bundles, work, workers)) is None:
                    break
                workers.append(worker)
                ready.register(workers[-1].results, selectors.EVENT_READ, workers[-1])
                _hand_on(workers[-1], bundles, todo)
            while ready.get_map():
                events = ready.select(TICK)
                if not events and current:
                    began(current)
                for key, _ in events:
                    worker = key.data
                    data = os.read(worker.results, 1 << 20)
                    worker.buffer += data
                    for name, result in worker.messages():
                        if result is None:
                            began(current := name)
                        else:
                            out[name] = result
                    if not data:
                        ready.unregister(worker.results)
                        reason = worker.ended()
                        out |= dict.fromkeys(worker.left, reason)
                        worker.left = []
                    elif not worker.left:
                        _hand_on(worker, bundles, todo)
        finally:
            gc.unfreeze()
            for worker in workers:
                _clear(worker)
    for number in todo if workers else ():  # no worker was left for them
        out |= dict.fromkeys(bundles[number], "every process that could have run it had died before")
    return out


def _fork(
    bundles: Sequence[Sequence[str]], work: Callable[[str], Result], before: Sequence[_Worker[Result]]
) -> _Worker[Result] | None:
    """A new worker; None where the system has no room for one."""
    opened: list[int] = []
    try:
        opened += os.pipe()
        opened += os.pipe()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads of numpy's, which sees to them itself
            pid = os.fork()
    except OSError:
        for fd in opened:
            os.close(fd)
        return None
    tasks, results = opened[:2], opened[2:]
    if pid:
        os.close(tasks[0])
        os.close(results[1])
        return _Worker(pid, tasks[1], results[0])
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is interrupted, too, and ends its workers
        for fd in (tasks[1], results[0], *(fd for w in before for fd in (w.tasks, w.results) if fd >= 0)):
            os.close(fd)
        _serve(tasks[0], results[1], bundles, work)
        code = 0
    except BaseException as e:
        code = _NO_MEMORY if memory.ran_out(e) else 1
    finally:
        os._exit(code)  # at once: nothing that the parent would do at its end is this process's to do


def _serve(tasks: int, results: int, bundles: Sequence[Sequence[str]], work: Callable[[str], Any]) -> None:
    """What a worker does: bundle after bundle, until there are no more."""
    while len(head := os.read(tasks, _HEAD.size)) == _HEAD.size:
        for name in bundles[_HEAD.unpack(head)[0]]:
            _send(results, (name, None))
            _send(results, (name, work(name)))


def _send(results: int, message: tuple[str, Any]) -> None:
    body = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    data = memoryview(_HEAD.pack(len(body)) + body)
    while data:
        data = data[os.write(results, data) :]


def _hand_on(worker: _Worker[Any], bundles: Sequence[Sequence[str]], todo: list[int]) -> None:
    """Give a worker the next bundle, or tell it that there is none."""
    if not todo:
        if worker.tasks >= 0:
            os.close(worker.tasks)
            worker.tasks = -1
        return
    with suppress(BrokenPipeError):  # it is dead already; the bundle is for another one
        os.write(worker.tasks, _HEAD.pack(todo[0]))
        worker.left = list(bundles[todo.pop(0)])


def _clear(worker: _Worker[Any]) -> None:
    """Leave nothing behind, also where the parent was interrupted."""
    for fd in (worker.tasks, worker.results):
        if fd >= 0:
            os.close(fd)
    if worker.pid:
        with suppress(ProcessLookupError):
            os.kill(worker.pid, signal.SIGKILL)
        os.waitpid(worker.pid, 0)
