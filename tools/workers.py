"""Who answers: a Tagger in this process, or a running service; either takes a batch and gives replies in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol, TypeVar

from models.errors import ConfigError, InputError
from models.tagger import EngineName, Tagger
from models.tags import Document
from qawl import ApiError, Client
from tools.articles import Article

Reply = dict[str, Any]
"""What `/v1/tag` answers."""
I = TypeVar("I")  # noqa: E741
O = TypeVar("O")  # noqa: E741


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What holds for all articles; `targets` are for articles without their own."""

    targets: tuple[str, ...] = ()
    default_target: bool = False
    context: bool = True
    scores: bool = False

    def request(self, article: Article) -> dict[str, Any]:
        """The fields of the REST contract for one article."""
        request: dict[str, Any] = dict(article.request)
        if self.targets:
            request.setdefault("targets", list(self.targets))
        return request | {"default_target": self.default_target, "context": self.context}


class Worker(Protocol):
    """Tags batches; called from several threads at once.

    `model` names what answers (name, version, fingerprint), `types` its claim types.
    """

    model: dict[str, str]
    types: tuple[str, ...]

    def tag(self, articles: Sequence[Article]) -> list[Reply | str]:
        """Replies in order; a sentence with the reason for an article that cannot be tagged."""
        ...


class Local:
    """The Tagger of a bundle."""

    def __init__(self, tagger: Tagger, asked: Asked) -> None:
        bundle = tagger.bundle
        self.model = {**bundle.identity(), "fingerprint": bundle.fingerprint}
        self.types = bundle.scheme.type_ids
        self._tagger, self._asked = tagger, asked

    @classmethod
    def load(
        cls, bundle: Path | None, engine: EngineName, precision: Literal["fp32", "int8"], threads: int, asked: Asked
    ) -> Local:
        """Load a bundle, the shipped one if none is named."""
        return cls(Tagger.load(bundle, engine=engine, precision=precision, threads=threads), asked)

    def tag(self, articles: Sequence[Article]) -> list[Reply | str]:
        """Tag them together, so that their windows fill the engine's batches."""
        results = self._tagger.tag([self._document(article) for article in articles])
        return [str(r) if isinstance(r, InputError) else r.to_json(scores=self._asked.scores) for r in results]

    def _document(self, article: Article) -> Document:
        fields = self._asked.request(article)
        for name in ("sentences", "targets"):
            if name in fields:
                fields[name] = tuple(fields[name])
        if "spans" in fields:
            fields["spans"] = tuple((start, end) for start, end in fields["spans"])
        return Document(**fields)


class Remote:
    """A running service, asked in batches."""

    def __init__(self, client: Client, asked: Asked) -> None:
        model = client.model()
        self.model = {name: str(model.get(name)) for name in ("name", "version", "scheme", "fingerprint")}
        self.types = tuple(label["id"] for label in _type_labels(client.labels()))
        self._client, self._asked = client, asked

    def tag(self, articles: Sequence[Article]) -> list[Reply | str]:
        """One call; a call that is refused as a whole is cut in two until the article at fault stands alone."""
        body = {"articles": [self._asked.request(a) | {"scores": self._asked.scores} for a in articles]}
        try:
            results = self._client.post("/v1/batch", body)["results"]
        except ApiError as error:
            if error.status not in (400, 413, 422, 504):
                raise
            if len(articles) == 1:
                return [f"{error.code}: {error.message}"]
            half = len(articles) // 2
            return self.tag(articles[:half]) + self.tag(articles[half:])
        if len(results) != len(articles):
            raise ConfigError(f"the service answered {len(results)} of {len(articles)} articles")
        return [_reason(result["error"]) if "error" in result else result for result in results]


def _type_labels(labels: dict[str, Any]) -> list[dict[str, Any]]:
    types = labels.get("types", [])
    return types if isinstance(types, list) else []


def _reason(error: dict[str, Any]) -> str:
    details = [f"{d['field']}: {d['message']}" for d in error.get("details") or ()]
    return "; ".join(details) or f"{error['code']}: {error['message']}"


def in_order(function: Callable[[I], O], items: Iterable[I], threads: int) -> Iterator[tuple[I, O]]:
    """`function` of each item in `threads` threads, results in the items' order.

    Twice as many items as threads are in flight: no thread waits for the reader, and memory stays flat.
    """
    waiting: deque[tuple[I, Future[O]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                waiting.append((item, pool.submit(function, item)))
                if len(waiting) > 2 * threads:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()
