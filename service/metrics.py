"""The service's own Prometheus metrics, beside those of BentoML.

Import it in the process that serves only: prometheus_client decides at import whether it writes to
PROMETHEUS_MULTIPROC_DIR.
"""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import Counter, Gauge, Histogram

from models.tags import Tags

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_TOKENS = (64.0, 128.0, 256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 32768.0, 65536.0)

REPLIES = Counter("qawl_replies_total", "Replies by route and code of the envelope (ok for 2xx)", ["route", "code"])
REPLY_SECONDS = Histogram("qawl_reply_seconds", "Time from request to reply", ["route"], buckets=_SECONDS)
DISCONNECTS = Counter("qawl_disconnects_total", "Requests whose client left before the reply")

IN_FLIGHT = Gauge("qawl_requests_in_flight", "Requests being answered", multiprocess_mode="livesum")
QUEUE_TOKENS = Gauge("qawl_queue_tokens", "Tokens waiting for the model", multiprocess_mode="livesum")
QUEUE_SECONDS = Histogram("qawl_queue_seconds", "Time a window waited for the model", buckets=_SECONDS)
DROPPED = Counter("qawl_dropped_windows_total", "Windows that never reached the model: their request was gone")

BATCH_TOKENS = Histogram("qawl_batch_tokens", "Tokens given to the model at a time", buckets=_TOKENS)
BATCH_SECONDS = Histogram("qawl_batch_seconds", "Time the model took for a batch", buckets=_SECONDS)
TOKENS = Counter("qawl_tokens_total", "Tokens read by the model")
WINDOWS = Counter("qawl_windows_total", "Windows read by the model")
FAULTS = Counter("qawl_engine_faults_total", "Windows the model failed on, by reason", ["reason"])

SENTENCES = Counter("qawl_sentences_total", "Sentences tagged")
TRUNCATED = Counter("qawl_truncated_sentences_total", "Sentences whose tail was not read")
LABELS = Counter("qawl_labels_total", "Labels given, by head: drift shows as a change of shares", ["head", "label"])
LOG_FAILURES = Counter("qawl_log_failures_total", "Log lines that could not be written")
BUNDLE = Gauge("qawl_bundle_info", "The bundle served", ["name", "version", "fingerprint"], multiprocess_mode="livemax")


def count(tags: Tags) -> None:
    """Count the labels of one tagged article."""
    SENTENCES.inc(len(tags.sentences))
    TRUNCATED.inc(sum(s.truncated for s in tags.sentences))
    given = Tally(
        pair
        for s in tags.sentences
        for pair in (
            *(("types", label) for label in s.types),
            ("voice", s.voice),
            *(("stance", label) for label in s.stances if label is not None),
        )
    )
    for (head, label), n in given.items():
        LABELS.labels(head, label).inc(n)
