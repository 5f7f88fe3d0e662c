"""Distinct windows looked at on other machines: on a Dask cluster, whose scheduler stands at an address.

A part that is lost with its worker is given to another one; a part that nobody can do is said to have failed, and with
it its rules. So a cluster finds what one machine finds, or says that it did not.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from layoutgen.drc import unit
from layoutgen.drc.cache import version
from layoutgen.errors import CheckError, printable

if TYPE_CHECKING:
    from distributed import Client, Future

SECONDS = 10.0
"""To wait for the scheduler, and for a first worker."""
PATIENCE = 30.0
"""Seconds without any worker, after which what is left has failed."""
AHEAD = 4
"""Parts that are sent for each thread of the cluster: the next is there when one is done."""
ARRIVAL, TRIES = 30.0, 3
"""Seconds that an answer may take from its worker to here, and how often it may fail to."""
TICK = 0.2
Answer = dict[str, unit.Judged | str]


def look_at(parts: Mapping[str, list[str]], pack: Callable[[str], unit.Unit], address: str,
            tell: Callable[[str], None]) -> dict[str, Answer]:  # fmt: skip
    """What the workers of a cluster say of parts, each with its rules; `tell` is told a rule as a part of it is done.

    Raises:
        CheckError: there is no such cluster, it has no workers, or they run another version.
    """
    out: dict[str, Answer] = {}
    with _client(address) as client:
        todo = list(parts)
        sent: dict[Future, str] = {}
        late: Counter[Future] = Counter()
        alone_since = 0.0
        try:
            while todo or sent:
                threads = sum(client.nthreads().values())
                while todo and len(sent) < AHEAD * max(1, threads):
                    part = todo.pop(0)
                    sent[client.submit(_work, version(), pack(part), pure=False, retries=1)] = part
                alone_since = 0.0 if threads else alone_since or time.monotonic()
                if alone_since and time.monotonic() - alone_since > PATIENCE:
                    reason = f"the cluster has had no worker for {PATIENCE:g} s"
                    out |= {part: dict.fromkeys(parts[part], reason) for part in (*todo, *sent.values())}
                    break
                done = [future for future in sent if future.done()]
                for future in done:
                    answer = _answer(future, parts[sent[future]])
                    if answer is None:  # its worker went with it: it is done again, if there is one left
                        late[future] += 1
                        if late[future] < TRIES:
                            continue
                        answer = dict.fromkeys(parts[sent[future]], "what a worker of the cluster said never arrived")
                    part = sent.pop(future)
                    out[part] = answer
                    tell(parts[part][0])
                if not done:
                    time.sleep(TICK / 10)
        finally:
            client.cancel(list(sent))
    return out


def _work(wanted: str, what: unit.Unit) -> Answer:
    """What a worker does."""
    if version() != wanted:
        raise RuntimeError("this worker runs another version of layoutgen, or of what it measures with")
    return unit.look_at(what)


def _answer(future: Future, rules: list[str]) -> Answer | None:
    """What a worker has said, or why it could not; None: it is gone, and its answer with it."""
    try:
        answer: Answer = future.result(timeout=ARRIVAL)
    except TimeoutError:
        return None
    except Exception as e:  # the worker's own, or the cluster's: cancelled, killed again and again
        said = f"{type(e).__name__}: {e}"
        return dict.fromkeys(rules, printable(f"a worker of the cluster could not do its part: {said}", 300))
    return answer


def _client(address: str) -> Client:
    try:
        from distributed import Client
    except ImportError:
        raise CheckError("--cluster needs Dask; install it with: pip install 'layoutgen[dask]'") from None
    try:
        client = Client(address, timeout=SECONDS, set_as_default=False)
        client.wait_for_workers(1, timeout=SECONDS)
    except Exception as e:  # a library's own, of whatever is wrong with the address
        where, why = printable(address, 120), printable(str(e), 160)
        mend = "start `dask scheduler`, and `dask worker` on each machine"
        raise CheckError(f"no cluster with workers answers at {where!r} ({why}); {mend}") from None
    return client
