"""The service with an engine that fails on cue: imported by a server process of the tests, never by the product.

The cues are Arabic words; the engine knows them by their token ids. What it saw is appended to the file that
TEST_SEEN names, one cue a line.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.engines import Engine, Logits
from models.tagger import Tagger
from models.windows import Window, encode
from service.app import GuardedService, create_service
from service.runtime import load_tagger
from service.settings import Settings
from tests.service.cues import MARK, MEMORY, NAN, RAISES, SLOW, SLOW_SECONDS


class FaultyEngine:
    """An engine around another."""

    name = "onnx"

    def __init__(self, inner: Engine, tagger: Tagger) -> None:
        self._inner = inner
        self._cues = {word: self._ids(tagger, word) for word in (RAISES, MEMORY, NAN, SLOW, MARK)}
        seen = os.environ.get("TEST_SEEN")
        self._seen = Path(seen) if seen else None

    def _ids(self, tagger: Tagger, word: str) -> list[int]:
        (ids,) = encode(tagger.bundle.tokenizer, [tagger.bundle.normalise(word)])
        unknown = tagger.bundle.tokenizer.token_to_id("[UNK]")
        assert unknown not in ids, f"the test vocabulary lacks {word}"
        return [int(i) for i in ids]

    def run(self, windows: Sequence[Window]) -> list[Logits]:
        cues = [{word for word, ids in self._cues.items() if _holds(window, ids)} for window in windows]
        found = set().union(*cues)
        if self._seen is not None:
            with self._seen.open("a", encoding="utf-8") as file:
                file.writelines(f"{word}\n" for word in sorted(found))
        if SLOW in found:
            time.sleep(SLOW_SECONDS)
        if RAISES in found:
            raise RuntimeError(f"/secret/path choked on {RAISES}")
        if MEMORY in found:
            raise MemoryError
        return [
            np.full_like(logits, np.nan) if NAN in cue else logits
            for cue, logits in zip(cues, self._inner.run(windows), strict=True)
        ]


def _holds(window: Window, ids: list[int]) -> bool:
    have = window.ids.tolist()
    return any(have[i : i + len(ids)] == ids for i in range(len(have) - len(ids) + 1))


def faulty_service() -> GuardedService:
    settings = Settings.load()
    tagger = load_tagger(settings)
    tagger.engine = FaultyEngine(tagger.engine, tagger)
    return create_service(settings, tagger)


Qawl = faulty_service()
