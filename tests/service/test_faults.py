"""The fault matrix: each row against the real service, on a real port, with a real process behind it."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import socket
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.replies import ErrorReply
from tests.service.conftest import KEYS, ORIGIN
from tests.service.cues import MARK, MEMORY, NAN, RAISES, SLOW
from tests.service.process import FAULTY, TEXT, Server, command, environment, running, whole_reply

JSON = {"content-type": "application/json"}
CANARY = "كناري"
MiB = 1024 * 1024


def envelope(reply: httpx.Response, status: int, code: str) -> str:
    assert reply.status_code == status, reply.text[:300]
    assert len(reply.content) < 4096
    error = ErrorReply.model_validate_json(reply.content).error
    assert error.code == code
    assert error.request_id == reply.headers["x-request-id"]
    return error.message


def in_parallel(server: Server, requests: list[dict[str, Any]], path: str = "/v1/tag") -> list[httpx.Response]:
    with ThreadPoolExecutor(len(requests)) as pool:
        return list(pool.map(lambda r: server.client.post(path, json=r), requests))


@pytest.mark.parametrize("body", [b"", b"{" + CANARY.encode(), b"\xff", b'{"text":"\\ud800"}', b"[" * 200_000])
def test_row_1_what_is_not_json(served, body):
    reply = served.client.post("/v1/tag", content=body, headers=JSON)
    envelope(reply, 400, "bad_request")
    assert CANARY not in reply.text


def test_row_2_wrong_fields_give_at_most_20_details(served):
    bad = {f"{CANARY}{i}": CANARY for i in range(50_000)}
    for request in (bad, {"sentences": [5] * 2000}, {"text": [], "targets": {}, "scores": CANARY, "id": [CANARY]}):
        started = time.monotonic()
        reply = served.tag(**request)
        envelope(reply, 422, "invalid")
        assert 1 <= len(reply.json()["error"]["details"]) <= 20
        assert CANARY not in reply.text
        assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("path", "request_", "name"),
    [
        ("/v1/batch", {"articles": [{"text": "أ"}] * 65}, "QAWL_MAX_ARTICLES"),
        ("/v1/tag", {"sentences": ["أ"] * 2001}, "QAWL_MAX_SENTENCES"),
        ("/v1/tag", {"text": "أ", "targets": ["أ"] * 33}, "QAWL_MAX_TARGETS"),
        ("/v1/tag", {"text": "أ" * 500_001}, "QAWL_MAX_TEXT"),
    ],
)
def test_row_3_too_much_names_the_limit(served, path, request_, name):
    assert name in envelope(served.client.post(path, json=request_), 422, "invalid")


def test_row_3_tokens_of_a_request(keyed):
    reply = keyed.tag(sentences=["قال الوزير"] * 100, targets=[f"هدف {i}" for i in range(20)])
    assert "QAWL_MAX_TOKENS" in envelope(reply, 422, "invalid")


def test_row_3_sentences_of_a_text(served):
    reply = served.tag(text="نعم\n" * 20_001)
    assert "QAWL_MAX_SEGMENTS" in envelope(reply, 422, "invalid")


def test_row_4_longer_than_a_window(served):
    text = "\n".join(f"قال الوزير رقم {i} إن العمل جار." for i in range(300))
    data = served.tag(text=text).json()
    assert " ".join(s["text"] for s in data["sentences"]).split() == text.split()
    long = "كلمة " * 500
    assert served.tag(sentences=[long]).json()["sentences"][0]["truncated"]
    envelope(served.tag(sentences=[long], on_overflow="error"), 422, "invalid")


@pytest.mark.parametrize("chunked", [False, True])
def test_row_5_a_body_over_the_cap_costs_no_memory(served, chunked):
    before = served.rss()
    block = b" " * MiB
    if chunked:
        reply = served.client.post("/v1/tag", content=(block for _ in range(100)), headers=JSON)
    else:
        reply = served.client.post("/v1/tag", content=block * 100, headers=JSON)
    assert "4194304" in envelope(reply, 413, "too_large")
    assert served.rss() - before < 30 * MiB


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "application/vnd.bentoml+pickle"},
        {"content-type": "application/json; charset=utf-16"},
        {**JSON, "content-encoding": "gzip"},
    ],
)
def test_row_6_only_plain_json(served, headers):
    reply = served.client.post("/v1/tag", content=json.dumps({"text": TEXT}).encode(), headers=headers)
    envelope(reply, 415, "unsupported_media_type")


def test_row_6_a_charset_of_utf_8_is_fine(served):
    headers = {"content-type": 'application/json; charset="UTF-8"'}
    reply = served.client.post("/v1/tag", content=json.dumps({"text": TEXT}).encode(), headers=headers)
    assert reply.status_code == 200


def test_row_7_methods_and_paths(served):
    reply = served.client.get("/v1/tag")
    envelope(reply, 405, "method_not_allowed")
    assert reply.headers["allow"] == "POST, OPTIONS"
    assert served.client.delete("/v1/labels").headers["allow"] == "GET, HEAD, OPTIONS"
    assert served.client.head("/v1/tag").status_code == 405
    envelope(served.client.get("/schema.json"), 404, "not_found")
    before = len(served.client.get("/metrics").text.splitlines())
    for i in range(1000):
        assert served.client.get(f"/page{i}/{CANARY}").status_code == 404
    assert len(served.client.get("/metrics").text.splitlines()) <= before + 20


def test_row_8_keys(keyed):
    body = {"text": TEXT}
    for headers in ({}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {KEYS[0]}"}):
        with httpx.Client(base_url=keyed.url, headers=headers) as client:
            reply = client.post("/v1/tag", json=body)
            envelope(reply, 401, "unauthorized")
            assert reply.headers["www-authenticate"] == "Bearer"
            assert client.get("/v1/labels").status_code == 401
            assert client.get("/metrics").status_code == 401
            for path in ("/livez", "/readyz", "/healthz", "/", "/page/app.js", "/docs.json"):
                assert client.get(path).status_code == 200
    for key in KEYS:
        reply = httpx.post(f"{keyed.url}/v1/tag", json=body, headers={"authorization": f"Bearer {key}"})
        assert reply.status_code == 200


def test_row_8_no_key_stands_in_the_log(keyed):
    assert not any(hashlib.sha256(key.encode()).hexdigest() in keyed.out for key in KEYS)
    assert not any(key in keyed.out for key in KEYS)


def test_row_9_cors(keyed, served):
    ask = {"access-control-request-method": "POST", "access-control-request-headers": "authorization"}
    with httpx.Client(base_url=keyed.url) as client:
        reply = client.options("/v1/tag", headers={"origin": ORIGIN, **ask})
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == ORIGIN
        assert "POST" in reply.headers["access-control-allow-methods"]
        assert "authorization" in reply.headers["access-control-allow-headers"]
        other = client.options("/v1/tag", headers={"origin": "https://other.example", **ask})
        assert "access-control-allow-origin" not in other.headers
        assert other.headers["vary"] == "Origin"
        # An error is readable to the page too.
        wrong = client.post("/v1/tag", json={}, headers={"origin": ORIGIN})
        assert wrong.headers["access-control-allow-origin"] == ORIGIN
    off = served.client.options("/v1/tag", headers={"origin": ORIGIN, **ask})
    assert off.status_code == 200
    assert "access-control-allow-origin" not in off.headers


@pytest.fixture(scope="module")
def narrow(tiny_bundle, tmp_path_factory):
    """A service whose queue holds very little."""
    settings = {"QAWL_BUNDLE": tiny_bundle, "QAWL_QUEUE_TOKENS": 200, "QAWL_BATCH_TOKENS": 64}
    folder = tmp_path_factory.mktemp("narrow")
    with running(folder, FAULTY, TEST_SEEN=folder / "seen", **settings) as server:
        yield server


def test_row_10_a_full_queue(narrow):
    (narrow.folder / "seen").write_text("")
    with ThreadPoolExecutor(24) as pool:
        asked = [pool.submit(narrow.tag, text=f"{SLOW}. {TEXT}") for _ in range(24)]
        narrow.until_seen(SLOW)
        assert narrow.client.get("/readyz").status_code == 200
        assert narrow.client.get("/livez").status_code == 200
        replies = [future.result() for future in asked]
    full = [reply for reply in replies if reply.status_code == 429]
    assert full
    assert {reply.status_code for reply in replies} == {200, 429}
    for reply in full:
        assert "QAWL_QUEUE_TOKENS" in envelope(reply, 429, "queue_full")
        assert 1 <= int(reply.headers["retry-after"]) <= 60
    assert narrow.tag(text=TEXT).status_code == 200


def test_row_11_past_the_deadline(narrow):
    """The one that waits behind a slow batch is given up and never read."""
    seen = narrow.folder / "seen"
    seen.write_text("")
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(narrow.tag, text=SLOW)
        narrow.until_seen(SLOW)
        late = narrow.client.post("/v1/tag", json={"text": MARK}, headers={"x-deadline-ms": "300"})
        envelope(late, 504, "deadline")
        assert slow.result().status_code == 200
    assert narrow.tag(text=TEXT).status_code == 200
    assert MARK not in seen.read_text()
    wrong = narrow.client.post("/v1/tag", json={"text": TEXT}, headers={"x-deadline-ms": "soon"})
    envelope(wrong, 400, "bad_request")


def test_row_12_a_client_that_leaves_is_not_read(narrow):
    seen = narrow.folder / "seen"
    seen.write_text("")
    gone = narrow.metric("qawl_disconnects_total")
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(narrow.tag, text=SLOW)
        narrow.until_seen(SLOW)
        with pytest.raises(httpx.ReadTimeout), httpx.Client(base_url=narrow.url, timeout=0.3) as client:
            client.post("/v1/tag", json={"text": MARK})
        assert slow.result().status_code == 200
    assert narrow.tag(text=TEXT).status_code == 200
    assert MARK not in seen.read_text()
    assert narrow.metric("qawl_disconnects_total") == gone + 1


def test_row_13_one_poisoned_among_eight(served):
    requests = [{"text": f"{SLOW} جملة أولى. {TEXT}"}] + [{"text": f"{TEXT} رقم {i}."} for i in range(7)]
    requests[4] = {"text": f"{TEXT} {RAISES}."}
    replies = in_parallel(served, requests)
    assert [r.status_code for r in replies] == [200] * 4 + [500] + [200] * 3
    batch = served.client.post("/v1/batch", json={"articles": requests[1:]}).json()["results"]
    assert [r.get("error", {}).get("code") for r in batch] == [None] * 3 + ["internal"] + [None] * 3


@pytest.mark.parametrize(("cue", "reason"), [(RAISES, "raised"), (MEMORY, "memory"), (NAN, "not_finite")])
def test_row_14_a_failing_model(served, cue, reason):
    before = served.metric(f'qawl_engine_faults_total{{reason="{reason}"}}')
    reply = served.tag(text=f"قال {cue}.")
    message = envelope(reply, 500, "internal")
    assert "/" not in message
    assert cue not in message
    assert served.metric(f'qawl_engine_faults_total{{reason="{reason}"}}') == before + 1
    assert served.tag(text=TEXT).status_code == 200


def spoil(bundle: Path, how: str) -> None:
    model = bundle / "model.onnx"
    manifest = bundle / "bundle.json"
    if how == "missing file":
        model.unlink()
    elif how == "truncated":
        model.write_bytes(model.read_bytes()[:-100])
    elif how == "tampered":
        data = bytearray(model.read_bytes())
        data[len(data) // 2] ^= 1
        model.write_bytes(bytes(data))
    elif how == "manifest":
        manifest.write_bytes(manifest.read_bytes()[:200])
    elif how == "future":
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"format": 99}))
    elif how == "missing":
        shutil.rmtree(bundle)


LAUNCH = ("service.launch",)
BENTOML = ("bentoml", "serve", "service.entry:Qawl", "--port", "0")


@pytest.mark.parametrize(
    ("how", "start"),
    [
        *((how, LAUNCH) for how in ("missing file", "truncated", "tampered", "manifest", "future", "missing")),
        *((how, BENTOML) for how in ("tampered", "missing")),
    ],
    ids=lambda part: part if isinstance(part, str) else part[0],
)
def test_row_15_a_bad_bundle_is_one_line(tiny_bundle, tmp_path, how, start):
    bundle = tmp_path / "bundle"
    shutil.copytree(tiny_bundle, bundle)
    spoil(bundle, how)
    ended = subprocess.run(
        [*command()[:1], "-m", *start],
        env=environment(QAWL_BUNDLE=bundle),
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    (line,) = ended.stderr.splitlines()
    assert line.startswith("qawl: ")
    assert str(bundle) in line


def test_row_16_sigterm_with_work_in_flight(tiny_bundle, tmp_path):
    settings = {"QAWL_BUNDLE": tiny_bundle, "QAWL_DRAIN_SECONDS": 1, "TEST_SEEN": tmp_path / "seen"}
    with running(tmp_path, FAULTY, **settings) as server:
        with ThreadPoolExecutor(1) as pool:
            work = pool.submit(server.tag, text=SLOW)
            server.until_seen(SLOW)
            server.process.send_signal(signal.SIGTERM)
            while (reply := server.client.get("/readyz")).status_code == 200:
                time.sleep(0.01)
            envelope(reply, 503, "not_ready")
            assert server.client.get("/livez").status_code == 200
            assert work.result().status_code == 200
        assert server.process.wait(15) == 0
        with pytest.raises(httpx.ConnectError):
            httpx.get(f"{server.url}/livez")
    assert server.err.count("\n") == 1


def test_row_18_the_same_document_in_any_company(served):
    document = {"text": TEXT, "targets": ["سيُفتح المعبر قريبا."], "scores": True}
    alone = served.tag(**document).json()["sentences"]
    others = [{"text": f"{TEXT} رقم {i}. " * (1 + i % 7)} for i in range(20)]
    crowd = in_parallel(served, [*others[:7], document, *others[7:], document])
    batch = served.client.post("/v1/batch", json={"articles": [*others, document]}).json()["results"]
    for sentences in (crowd[7].json()["sentences"], crowd[-1].json()["sentences"], batch[-1]["sentences"]):
        for a, b in zip(alone, sentences, strict=True):
            assert [t["label"] for t in a["types"]] == [t["label"] for t in b["types"]]
            assert a["type_scores"] == pytest.approx(b["type_scores"], abs=1e-4)
            assert a["voice"]["scores"] == pytest.approx(b["voice"]["scores"], abs=1e-4)
            assert a["stances"][0]["scores"] == pytest.approx(b["stances"][0]["scores"], abs=1e-4)


def test_row_19_no_text_of_the_caller_in_logs_or_errors(served):
    bodies: list[dict[str, Any]] = [
        {"text": f"{CANARY} قال."},
        {"text": f"{CANARY} {RAISES}."},
        {"text": CANARY, "targets": [CANARY, ""]},
        {"text": CANARY, CANARY: CANARY},
        {"text": CANARY, "id": [CANARY], "on_overflow": CANARY},
        {"sentences": [f"{CANARY} " * 500], "on_overflow": "error"},
    ]
    for body in bodies:
        reply = served.tag(**body)
        assert reply.status_code == 200 or CANARY not in reply.text
    served.client.post("/v1/tag", content=f'{{"text": "{CANARY}'.encode(), headers=JSON)
    served.client.post(f"/v1/{CANARY}?q={CANARY}", json={})
    log = served.out + served.err
    assert CANARY not in log
    assert RAISES not in log
    lines = [json.loads(line) for line in served.out.splitlines() if line.startswith("{")]
    assert any(line.get("exception") == "RuntimeError" and line["rid"] for line in lines)
    assert CANARY not in served.client.get("/metrics").text


def test_row_20_request_ids(served):
    def rid(given: str) -> str:
        return str(served.client.get("/livez", headers={"x-request-id": given}).headers["x-request-id"])

    assert rid("desk-7.a_B") == "desk-7.a_B"
    for forged in ("a" * 10_000, "a b", "a\tb", "", 'a"}'):
        assert len(rid(forged)) == 32
    host, port = served.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nx-request-id: a\r\n b\r\nConnection: close\r\n\r\n")
        status, headers, _ = whole_reply(raw)
        assert status == 400 or len(headers["x-request-id"]) == 32


def test_requests_in_the_house_are_bounded(tiny_bundle, tmp_path):
    with running(tmp_path, FAULTY, QAWL_BUNDLE=tiny_bundle, QAWL_MAX_REQUESTS="2") as server:
        replies = in_parallel(server, [{"text": f"{SLOW} {i}"} for i in range(6)])
        assert sorted({r.status_code for r in replies}) == [200, 429]
        full = next(r for r in replies if r.status_code == 429)
        assert "QAWL_MAX_REQUESTS" in envelope(full, 429, "queue_full")
        assert threading.active_count() < 50
