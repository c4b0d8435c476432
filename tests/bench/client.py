"""One client process of the service benchmark: keep-alive connections that tag articles for some seconds.

    python -m tests.bench.client URL CONNECTIONS SECONDS SEED [REQUESTS_PER_SECOND]

Without a rate each connection asks again as soon as it is answered (closed loop). With one, requests are due at
random times whatever the service does (open loop), and a request's time runs from when it was due.
The only line printed is JSON: {"seconds": until the last answer, "records": [[sentences, seconds, status], …]}.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import threading
import time
from collections.abc import Iterator
from urllib.parse import urlsplit

from tests.bench.mix import mixed


def main(url: str, connections: int, seconds: float, seed: int, rate: float | None = None) -> None:
    """Run the connections and print what each request took."""
    bodies = [(len(d.sentences or ()), _body(d.sentences or (), d.targets or ())) for d in mixed(64, seed)]
    records: list[tuple[int, float, int]] = []
    started = time.perf_counter()
    due = iter(_due(rate, seconds, seed)) if rate else None
    lock = threading.Lock()

    def work(number: int) -> None:
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
        turn = number
        while True:
            begin = time.perf_counter()
            if due is not None:
                with lock:
                    at = next(due, None)
                if at is None:
                    return
                begin = started + at
                time.sleep(max(0.0, begin - time.perf_counter()))
            elif begin - started > seconds:
                return
            sentences, body = bodies[turn % len(bodies)]
            turn += connections
            connection.request("POST", "/v1/tag", body, {"content-type": "application/json"})
            response = connection.getresponse()
            response.read()
            records.append((sentences, time.perf_counter() - begin, response.status))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Requests under way at the end are answered and counted, so the time they take is too.
    print(json.dumps({"seconds": time.perf_counter() - started, "records": records}))


def _body(sentences: tuple[str, ...], targets: tuple[str, ...]) -> bytes:
    return json.dumps({"sentences": sentences, "targets": targets}, ensure_ascii=False).encode()


def _due(rate: float, seconds: float, seed: int) -> Iterator[float]:
    rng = random.Random(seed)
    at = rng.expovariate(rate)
    while at < seconds:
        yield at
        at += rng.expovariate(rate)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4]), *map(float, sys.argv[5:]))
