"""Closed-loop load on a running service: so many clients, each with one request at a time, sizes mixed."""

from __future__ import annotations

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.service.process import Server

_SENTENCE = "قال الوزير رقم {} إن العمل في الجسر جار وإن افتتاحه قريب."
_SIZES = (1, 1, 1, 3, 3, 8, 20, 60)


def bodies() -> list[bytes]:
    """Headlines, paragraphs and long articles, with no, one or three targets, and a batch."""
    articles = [
        {
            "text": " ".join(_SENTENCE.format(i) for i in range(size)),
            "targets": [f"سيُفتتح الجسر {i}." for i in range((0, 1, 3)[n % 3])],
        }
        for n, size in enumerate(_SIZES)
    ]
    return [json.dumps(article).encode() for article in articles]


@dataclass
class Outcome:
    """What came back; `seconds` a request, in order of arrival, and the server's memory in bytes over time."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    sentences: int = 0
    waits: list[int] = field(default_factory=list)
    rss: list[int] = field(default_factory=list)
    elapsed: float = 0.0

    def quantile(self, share: float) -> float:
        """Seconds under which that share of the requests was answered."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    @property
    def goodput(self) -> float:
        """Sentences tagged a second."""
        return self.sentences / self.elapsed


def load(
    server: Server, *, clients: int, requests: int | None = None, seconds: float | None = None, patient: bool = False
) -> Outcome:
    """Drive the service until so many requests are answered or so many seconds are over.

    `patient` clients wait as long as a 429 tells them to.
    """
    outcome, lock = Outcome(), threading.Lock()
    turns: Iterator[int] = iter(range(requests)) if requests is not None else itertools.count()
    started = time.monotonic()
    end = started + seconds if seconds is not None else float("inf")
    all_bodies = bodies()

    def client() -> None:
        connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=120)
        while time.monotonic() < end:
            with lock:
                turn = next(turns, None)
            if turn is None:
                break
            sent = time.monotonic()
            connection.request(
                "POST", "/v1/tag", all_bodies[turn % len(all_bodies)], {"content-type": "application/json"}
            )
            reply = connection.getresponse()
            body = reply.read()
            wait = int(reply.headers.get("retry-after", "0"))
            with lock:
                outcome.statuses[reply.status] += 1
                outcome.seconds.append(time.monotonic() - sent)
                if reply.status == 200:
                    outcome.sentences += json.loads(body)["usage"]["sentences"]
                else:
                    outcome.waits.append(wait)
            if patient:
                time.sleep(wait)
        connection.close()

    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        outcome.rss.append(server.rss())
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    outcome.elapsed = time.monotonic() - started
    return outcome
