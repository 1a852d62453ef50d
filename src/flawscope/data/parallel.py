"""Work for several processes, its results in the order of the jobs, few of them in memory at a time."""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from typing import TypeVar

_AHEAD = 4
"""Jobs a process may be ahead of the reader: bounds the memory."""

Job = TypeVar("Job")
Result = TypeVar("Result")


def in_order(work: Callable[[Job], Result], jobs: Iterable[Job], workers: int) -> Iterator[Result]:
    """``work`` of each job, in their order; the number of processes changes only the pace.

    With one worker all happens in this process. Processes are spawned: ``work`` is a function of a module,
    and a script that asks for more than one needs ``if __name__ == "__main__"``.
    """
    if workers <= 1:
        yield from map(work, jobs)
        return
    context = multiprocessing.get_context("spawn")
    waiting: deque[Future[Result]] = deque()
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            for job in jobs:
                waiting.append(pool.submit(work, job))
                if len(waiting) >= _AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            # A reader that stops early, or an error, must not wait for results nobody wants.
            for future in waiting:
                future.cancel()
