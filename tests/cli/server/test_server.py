"""`fewshot serve` as a process of its own: answers, limits, stops."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import fewshot
import fewshot.runtime
from fewshot import TfidfClassifier, cli
from tests.cli.server.server_process import HOST, JSON, Server
from tests.tiny_estimators import POOL, X, Y, prompt

pytest.importorskip("fastapi", reason="fewshot[serve] is missing")
pytest.importorskip("uvicorn", reason="fewshot[serve] is missing")
pytest.importorskip("prometheus_client", reason="fewshot[serve] is missing")

pytestmark = pytest.mark.allow_hosts([HOST])

MODEL, PAIRS = "topics", "pairs"
N_CLIENTS = 16
_LIMITS = ("--max-texts", 512, "--max-characters", 5000, "--max-waiting", 600)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("models")
    prompt().fit(X, Y).save(root / MODEL)
    pairs = [{"a": text, "b": "world"} for text in X]
    TfidfClassifier().fit(pairs, Y).save(root / PAIRS)
    return [root / MODEL, root / PAIRS]


@pytest.fixture(scope="module")
def server(folders, tmp_path_factory):
    log = tmp_path_factory.mktemp("log") / "server.log"
    with Server(log, *folders, *_LIMITS) as running:
        yield running


def distinct(n: int, words: int = 60) -> list[str]:
    """Return texts of many words, no two alike, for predictions that take a while."""
    return [" ".join([*POOL, str(i)] * (words // len(POOL) + 1)) for i in range(n)]


# ---- Answers ----------------------------------------------------------------------------------


def test_concurrent_clients_get_what_predict_gives_to_the_last_bit(server, folders):
    texts = [f"{text} {i}" for i, text in enumerate(POOL * 3)]
    clf = fewshot.load(folders[0])

    with ThreadPoolExecutor(N_CLIENTS) as pool:
        answers = list(
            pool.map(lambda text: server.predict(text=text, model=MODEL, proba=True), texts)
        )

    rows = [answer.content["predictions"][0] for answer in answers]
    assert [row["label"] for row in rows] == clf.predict(texts).tolist()
    proba = clf.predict_proba(texts)
    assert [[row["proba"][name] for name in clf.classes_] for row in rows] == proba.tolist()
    assert [row["score"] for row in rows] == proba.max(1).tolist()


def test_many_texts_of_a_request_keep_their_order(server, folders):
    answer = server.predict(texts=POOL, model=MODEL)

    clf = fewshot.load(folders[0])
    assert answer.content["model"] == MODEL
    assert answer.content["predictions"] == [
        {"label": label, "score": score}
        for label, score in zip(clf.predict(POOL), clf.predict_proba(POOL).max(1), strict=True)
    ]


def test_fields_are_given_by_name_or_in_their_order(server, folders):
    expected = fewshot.load(folders[1]).predict_proba([{"a": "football goal", "b": "world"}])

    by_name = server.predict(text={"b": "world", "a": "football goal"}, model=PAIRS)
    by_order = server.predict(text=["football goal", "world"], model=PAIRS)

    assert by_name.content == by_order.content
    assert by_name.content["predictions"][0]["score"] == expected.max()


def test_no_texts_give_no_predictions(server):
    assert server.predict(texts=[], model=MODEL).content["predictions"] == []


def test_health_names_the_models(server):
    answer = server.get("/health")

    assert answer.content == {
        "status": "ok",
        "version": fewshot.__version__,
        "models": [
            {"name": MODEL, "classes": ["politics", "sports"], "fields": ["text"]},
            {"name": PAIRS, "classes": ["politics", "sports"], "fields": ["a", "b"]},
        ],
    }


def test_metrics_count_requests_predictions_and_batches(server):
    def counts() -> list[float]:
        return [
            server.metric('fewshot_requests_total{path="/predict",status="200"}'),
            server.metric(f'fewshot_predictions_total{{label="{label}",model="{PAIRS}"}}'),
            server.metric(f'fewshot_batch_texts_sum{{model="{PAIRS}"}}'),
        ]

    pair = ["football goal", "world"]
    label = server.predict(text=pair, model=PAIRS).content["predictions"][0]["label"]
    before = counts()

    server.predict(texts=[pair, pair], model=PAIRS)

    assert [a - b for a, b in zip(counts(), before, strict=True)] == [1, 2, 2]


def test_the_openapi_page_describes_requests_and_refusals(server):
    described = server.get("/openapi.json").content

    path = described["paths"]["/predict"]["post"]
    assert {"200", "404", "408", "413", "422", "503"} <= set(path["responses"])
    assert set(described["components"]["schemas"]["PredictRequest"]["properties"]) == {
        *("text", "texts", "model", "proba")
    }
    assert "swagger" in server.get("/docs").content.lower()


# ---- What is wrong ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "status", "detail"),
    [
        ({"text": "a"}, 422, f"name a \"model\", one of ['{MODEL}', '{PAIRS}']"),
        ({"text": "a", "model": "topic"}, 404, "no model 'topic' (did you mean 'topics'?)"),
        ({"model": MODEL}, 422, 'give either one text as "text", or several as "texts"'),
        ({"text": "a", "texts": ["b"]}, 422, "give either one text"),
        ({"texts": ["a", 3], "model": MODEL}, 422, "texts.1: a text is a string, a list of"),
        ({"texts": [["a", None]], "model": MODEL}, 422, "texts.0: a text is a string"),
        ({"texts": "a", "model": MODEL}, 422, "texts: Input should be a valid list"),
        ({"texts": ["a", "\ud800"], "model": MODEL}, 422, "texts.1: a text holds a lone surrog"),
        ({"texts": ["a", ["b", "c"]], "model": MODEL}, 422, "text 1: the model takes the fields"),
        ({"text": {"c": "a"}, "model": MODEL}, 422, "takes the fields ['text'], got ['c']"),
        ({"text": "a", "model": PAIRS}, 422, "takes the fields ['a', 'b'], got 1 strings"),
        ({"text": "a", "modle": MODEL}, 422, "modle: Extra inputs are not permitted"),
        ({"text": "a", "proba": "yes", "model": MODEL}, 422, "proba: Input should be a valid bool"),
        ({"texts": ["a"] * 513, "model": MODEL}, 422, "513 texts, and a request may hold 512"),
        ({"text": "a" * 5001, "model": MODEL}, 422, "text 0 has 5001 characters, and may have 500"),
        ({"text": ["a" * 4000, "b" * 1001], "model": PAIRS}, 422, "text 0 has 5001 characters"),
    ],
)
def test_a_request_that_does_not_fit_is_told_what_would(server, content, status, detail):
    answer = server.predict(**content)

    assert answer.status == status
    assert detail in answer.content["detail"]


@pytest.mark.parametrize(
    ("body", "headers", "status", "detail"),
    [
        (b"{", JSON, 422, "the body is no JSON from character 1 on: Expecting property name"),
        (b"", JSON, 422, 'send an object such as {"text": "..."} as application/json'),
        (b'{"text": "a"}', {}, 422, "as application/json"),
        (b"[" * 100_000, JSON, 400, "There was an error parsing the body"),
        (b'{"text": "\xff"}', JSON, 400, "There was an error parsing the body"),
        (b" " * (4 * 2**20 + 1), JSON, 413, "the body has more than 4194304 bytes"),
    ],
    ids=["cut", "empty", "no type", "deep", "no UTF-8", "large"],
)
def test_a_malformed_body_is_refused(server, body, headers, status, detail):
    answer = server.post(body, headers)

    assert answer.status == status
    assert detail in answer.content["detail"]


@pytest.mark.parametrize("is_announced", [True, False], ids=["length", "chunked"])
def test_100_megabytes_are_refused_and_not_kept(server, is_announced):
    def megabytes():
        for _ in range(100):
            yield b"a" * 10**6

    before = server.metric("process_resident_memory_bytes")
    answer = server.post(
        megabytes(), {**JSON, **({"Content-Length": str(10**8)} if is_announced else {})}
    )

    assert answer.status == 413
    assert server.metric("process_resident_memory_bytes") - before < 50 * 10**6


def test_a_client_that_asks_before_a_large_body_need_not_send_it(server):
    with socket.create_connection((HOST, server.port), timeout=30) as client:
        client.sendall(
            b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100000000\r\nExpect: 100-continue\r\n\r\n"
        )

        assert client.recv(100).startswith(b"HTTP/1.1 413")


def test_what_is_no_http_is_refused(server):
    with socket.create_connection((HOST, server.port), timeout=30) as client:
        client.sendall(b"\x00\x01 nonsense\r\n\r\n")

        assert client.recv(100).startswith(b"HTTP/1.1 400")


def test_other_paths_and_methods_are_not_there(server):
    assert server.get("/predict").status == 405
    assert server.get("/predictions/a-secret").status == 404


def test_neither_texts_nor_paths_of_clients_are_logged(server):
    server.predict(text="a secret of mine", model=MODEL)
    server.predict(text="a secret of mine", model="secret")
    server.post(b'{"text": "a secret of mi')
    server.get("/predict?text=secret")

    assert "POST /predict 200" in server.log.read_text()
    assert "secret" not in server.log.read_text()
    assert "secret" not in server.get("/metrics").content


def test_a_client_that_leaves_in_mid_request_takes_nobody_along(server):
    with socket.create_connection((HOST, server.port)) as client:  # within the body
        client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\n\r\n{")
    connection = server.connection()  # before the answer
    content = {"texts": distinct(20), "model": MODEL}
    connection.request("POST", "/predict", json.dumps(content), JSON)
    connection.close()

    assert server.predict(text="goal", model=MODEL).status == 200


# ---- Overload and stops -----------------------------------------------------------------------


def test_a_full_queue_is_refused_and_the_requests_in_it_are_answered(server):
    many = distinct(512)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(server.predict, texts=many, model=MODEL)
        server.wait_until_texts_wait(MODEL)

        refused = server.predict(texts=many, model=MODEL)

        assert server.predict(text=["a", "b"], model=PAIRS).status == 200  # a queue of its own
        assert first.result().status == 200
    assert refused.status == 503
    assert "texts wait already; try again later" in refused.content["detail"]
    assert refused.headers["Retry-After"] == "1"


def test_an_exported_classifier_is_served_too(tmp_path):
    pytest.importorskip("onnxruntime", reason="fewshot[onnx] is missing")
    fewshot.export(prompt().fit(X, Y), tmp_path / "exported", precision="float32", texts=POOL)
    with Server(tmp_path / "log", tmp_path / "exported") as server:
        answer = server.predict(texts=POOL, proba=True)

    clf = fewshot.runtime.load(tmp_path / "exported")
    rows = answer.content["predictions"]
    found = [[row["proba"][name] for name in clf.classes_] for row in rows]
    assert found == clf.predict_proba(POOL).tolist()
    assert [row["label"] for row in rows] == clf.predict(POOL).tolist()


def test_a_killed_server_loses_only_the_requests_in_work_and_sigterm_waits_for_them(
    folders, tmp_path
):
    many = distinct(512)
    with Server(tmp_path / "log", *folders) as server, ThreadPoolExecutor(1) as pool:
        lost = pool.submit(server.predict, texts=many, model=MODEL)
        server.wait_until_texts_wait(MODEL)
        server.process.kill()
        with pytest.raises(ConnectionError):
            lost.result()
    with Server(tmp_path / "log", *folders) as server, ThreadPoolExecutor(1) as pool:
        assert server.predict(text="goal", model=MODEL).status == 200
        answer = pool.submit(server.predict, texts=many, model=MODEL)
        server.wait_until_texts_wait(MODEL)

        status = server.stop()

        assert answer.result().status == 200
        assert len(answer.result().content["predictions"]) == 512
        assert status == 0


def test_a_body_that_comes_too_slowly_is_refused(folders):
    from fewshot.cli.server.app import create_app
    from fewshot.cli.server.limits import Limits

    app = create_app({MODEL: fewshot.load(folders[0])}, Limits(body_seconds=1))
    uvicorn = pytest.importorskip("uvicorn")
    running = uvicorn.Server(uvicorn.Config(app, log_config=None, http="h11"))
    with socket.socket() as listener:
        listener.bind((HOST, 0))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not running.started:
                pass
            with socket.create_connection(listener.getsockname(), timeout=30) as client:
                client.sendall(b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
                answer = client.makefile("rb").read()  # until the server closes
        finally:
            running.should_exit = True
            thread.join()

    assert answer.startswith(b"HTTP/1.1 408")
    assert b"the body was not there after 1 seconds" in answer


def test_a_port_in_use_is_a_line_and_not_a_traceback(folders, capsys):
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]

        status = cli.main(["serve", str(folders[1]), "--port", str(port)])

    assert status == 1
    assert capsys.readouterr().err == (
        f"fewshot: port {port} of {HOST} cannot be used: Address already in use; give another "
        "--port or --host\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["absent"], "absent'; give the folder that"),
        (["{0}", "{0}"], "two folders are named 'topics'; rename one"),
        (["{0}", "--max-texts", "5000"], "4096 texts may wait, but a request may hold 5000"),
    ],
)
def test_what_cannot_be_served_is_a_line(folders, arguments, message, capsys):
    status = cli.main(["serve", *(part.format(folders[0]) for part in arguments), "--port", "0"])

    assert status == 1
    assert message in capsys.readouterr().err.splitlines()[-1]


def test_without_the_extra_the_error_gives_the_line_that_installs_it():
    code = (
        "import sys; sys.modules['fastapi'] = None; from fewshot import cli; sys.exit(cli.main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "model"], capture_output=True, text=True
    )

    assert done.returncode == 1
    assert 'pip install "fewshot[serve]"' in done.stderr
