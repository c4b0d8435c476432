"""What no server can beat: requests at random times before one server that never idles and loses no time."""

from __future__ import annotations

import random
from collections.abc import Sequence

_ARRIVALS = 200_000


def first_come(seconds: Sequence[float], rate: float, seed: int = 0) -> list[tuple[int, float]]:
    """(request, time from arrival to answer) of `_ARRIVALS` requests, first come, first served.

    Request i takes `seconds[i]` alone; each arrival is a random one of them, `rate` arrivals a second (Poisson).
    """
    rng = random.Random(seed)
    now = free = 0.0
    found = []
    for _ in range(_ARRIVALS):
        now += rng.expovariate(rate)
        request = rng.randrange(len(seconds))
        free = max(now, free) + seconds[request]
        found.append((request, free - now))
    return found
