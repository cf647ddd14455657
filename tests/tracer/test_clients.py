"""Client libraries against real servers and brokers: recorded by themselves, and the trace goes through
them."""

from __future__ import annotations

import asyncio
import importlib
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import make_server

import httpx
import pika
import psycopg
import pytest
import redis
import redis.asyncio
import requests
import sqlalchemy
from psycopg.sql import SQL, Identifier, Literal

from devbox import tracer
from devbox.traces.model import Span
from tests.tracer.inside import recording
from tests.tracer.test_apps import Quiet
from tests.traces.reading import Reader
from tests.workload.brokers import Kafka, Postgres, RabbitMQ, Redis


@contextmanager
def answering(status: str = "200 OK") -> Iterator[tuple[str, list[str]]]:
    """A server that is not recorded; says which contexts it was sent."""
    seen: list[str] = []

    def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> list[bytes]:
        seen.append(environ.get("HTTP_TRACEPARENT", ""))
        start_response(status, [])
        return [b"hello"]

    server = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/path?q=secret", seen
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _with_requests(url: str) -> int:
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url).status_code


def _with_httpx(url: str) -> int:
    with httpx.Client(trust_env=False) as client:
        return client.get(url).status_code


def _with_httpx_async(url: str) -> int:
    async def get() -> int:
        async with httpx.AsyncClient(trust_env=False) as client:
            return (await client.get(url)).status_code

    return asyncio.run(get())


CLIENTS = [_with_requests, _with_httpx, _with_httpx_async]


@pytest.mark.parametrize("get", CLIENTS)
@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_http_clients(reader: Reader, get: Callable[[str], int], status: str) -> None:
    with recording(reader, hooks=True), answering(status) as (url, seen), tracer.span("root"):
        assert get(url) == int(status[:3])
    (client,) = (span for span in reader.spans() if span.operation.kind == "client")
    assert client.parent_id == reader.named("root").span_id
    assert seen == [f"00-{client.trace_id}-{client.span_id}-03"]
    assert client.attributes["http.response.status_code"] == int(status[:3])
    assert client.attributes["url.path"] == "/path"
    assert client.status == ("unset" if status[0] == "2" else "error")
    assert "secret" not in str(client)
    # Where the application called, not where the library or the recorder did.
    assert client.operation.file == __file__
    assert client.operation.function.startswith(f"{__name__}.{get.__name__}"[:40])
    assert ".get(" in Path(__file__).read_text().splitlines()[client.operation.line - 1]


@pytest.mark.parametrize("get", CLIENTS)
def test_a_refused_connection_is_the_calls_error(reader: Reader, get: Callable[[str], int]) -> None:
    refused = requests.ConnectionError, httpx.ConnectError
    with recording(reader, hooks=True), tracer.span("root"), pytest.raises(refused):
        get("http://127.0.0.1:1/")
    (client,) = (span for span in reader.spans() if span.operation.kind == "client")
    assert client.status == "error"
    assert "efused" in client.message or "onnect" in client.message


def test_sqlalchemy_statements_once_and_without_their_values(reader: Reader, tmp_path: Path) -> None:
    with recording(reader, hooks=True), tracer.span("root"):
        engine = sqlalchemy.create_engine(f"sqlite:///{tmp_path}/shop.db")
        with engine.begin() as db:
            db.execute(sqlalchemy.text("CREATE TABLE t (a)"))
            db.execute(sqlalchemy.text("INSERT INTO t VALUES (:a)"), [{"a": "secret"}, {"a": "b"}])
            assert db.execute(sqlalchemy.text("SELECT count(*)\n FROM t")).scalar_one() == 2
        with engine.connect() as db, pytest.raises(sqlalchemy.exc.OperationalError):
            db.execute(sqlalchemy.text("SELECT * FROM nowhere"))
        engine.dispose()
    spans = [span for span in reader.spans() if span.operation.kind == "client"]
    names = ["sqlite CREATE", "sqlite INSERT", "sqlite SELECT", "sqlite SELECT"]
    assert [span.operation.name for span in spans] == names
    assert {span.parent_id for span in spans} == {reader.named("root").span_id}
    assert spans[2].attributes["db.query.text"] == "SELECT count(*) FROM t"
    assert spans[2].attributes["db.namespace"].endswith("shop.db")
    assert [span.status for span in spans] == ["unset", "unset", "unset", "error"]
    assert "secret" not in str(spans)
    assert {span.operation.file for span in spans} == {__file__}


@pytest.fixture(scope="module")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = Redis(tmp_path_factory.mktemp("redis"))
    broker.start()
    yield broker.url
    broker.stop()


def _redis(url: str) -> None:
    with redis.Redis.from_url(url) as client:
        client.set("user:1", "secret")
        assert client.get("user:1") == b"secret"
        with client.pipeline() as pipe:
            pipe.incr("count").incr("count")
            assert pipe.execute() == [1, 2]
        client.delete("count")
        with pytest.raises(redis.ResponseError):
            client.lpush("user:1", "x")


def _redis_async(url: str) -> None:
    async def work() -> None:
        async with redis.asyncio.Redis.from_url(url) as client:
            await client.set("user:1", "secret")
            assert await client.get("user:1") == b"secret"
            async with client.pipeline() as pipe:
                assert await pipe.incr("count").incr("count").execute() == [1, 2]
            await client.delete("count")
            with pytest.raises(redis.ResponseError):
                await client.lpush("user:1", "x")

    asyncio.run(work())


@pytest.mark.parametrize("use", [_redis, _redis_async])
def test_redis_commands_without_their_values(
    reader: Reader, redis_url: str, use: Callable[[str], None]
) -> None:
    with recording(reader, hooks=True), tracer.span("root"):
        use(redis_url)
    spans = [span for span in reader.spans() if span.operation.kind == "client"]
    texts = [span.attributes["db.query.text"] for span in spans]
    assert texts == [
        "SET user:1 ?",
        "GET user:1",
        "INCRBY count ?\nINCRBY count ?",
        "DEL count",
        "LPUSH user:1 ?",
    ]
    assert [span.operation.name for span in spans][2:4] == ["redis PIPELINE", "redis DEL"]
    assert [span.status for span in spans] == ["unset"] * 4 + ["error"]
    assert {span.parent_id for span in spans} == {reader.named("root").span_id}
    assert spans[0].attributes["server.address"] in ("127.0.0.1", "localhost")
    assert {span.operation.file for span in spans} == {__file__}
    assert "secret" not in str(spans)


@pytest.fixture(scope="module")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    # Its server runs as a user of its own, who may not look into pytest's folders.
    with tempfile.TemporaryDirectory(prefix="tracer-postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        yield server.url
        server.stop()


def _psycopg(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TEMPORARY TABLE t (a text)")
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO t\n VALUES (%s)", [("secret",), ("b",)])
        query = SQL("SELECT * FROM {} WHERE a = {}").format(Identifier("t"), Literal("secret"))
        with connection.cursor("named") as cursor:
            assert cursor.execute(query).fetchall() == [("secret",)]
        connection.commit()
        connection.commit()  # of nothing
        with pytest.raises(psycopg.errors.UndefinedTable):
            connection.execute(b"SELECT * FROM nowhere")


def _psycopg_async(url: str) -> None:
    async def work() -> None:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            await connection.execute("CREATE TEMPORARY TABLE t (a text)")
            async with connection.cursor() as cursor:
                await cursor.executemany("INSERT INTO t\n VALUES (%s)", [("secret",), ("b",)])
            query = SQL("SELECT * FROM {} WHERE a = {}").format(Identifier("t"), Literal("secret"))
            async with connection.cursor("named") as named:
                await named.execute(query)
                assert await named.fetchall() == [("secret",)]
            await connection.commit()
            await connection.commit()
            with pytest.raises(psycopg.errors.UndefinedTable):
                await connection.execute(b"SELECT * FROM nowhere")

    asyncio.run(work())


@pytest.mark.parametrize("use", [_psycopg, _psycopg_async])
def test_postgresql_statements_without_their_values(
    reader: Reader, postgres_url: str, use: Callable[[str], None]
) -> None:
    with recording(reader, hooks=True), tracer.span("root"):
        use(postgres_url)
    spans = [span for span in reader.spans() if span.operation.kind == "client"]
    assert [span.attributes["db.query.text"] for span in spans] == [
        "CREATE TEMPORARY TABLE t (a text)",
        "INSERT INTO t VALUES (%s)",
        'SELECT * FROM "t" WHERE a = ?',
        "commit",
        "SELECT * FROM nowhere",
        "commit",
    ]
    assert [span.operation.name for span in spans][2:4] == ["postgresql SELECT", "postgresql COMMIT"]
    assert [span.status for span in spans] == ["unset"] * 4 + ["error", "unset"]
    assert {span.parent_id for span in spans} == {reader.named("root").span_id}
    assert {span.attributes["db.namespace"] for span in spans} == {"postgres"}
    assert {span.attributes["server.address"] for span in spans} == {"127.0.0.1"}
    assert {span.operation.file for span in spans} == {__file__}
    assert "secret" not in str(spans)


def test_postgresql_below_sqlalchemy_is_told_once(reader: Reader, postgres_url: str) -> None:
    with recording(reader, hooks=True), tracer.span("root"):
        engine = sqlalchemy.create_engine(postgres_url.replace("postgresql", "postgresql+psycopg"))
        with engine.begin() as db:
            assert db.execute(sqlalchemy.text("SELECT 41 + 1")).scalar_one() == 42
        engine.dispose()
    spans = [span for span in reader.spans() if span.operation.kind == "client"]
    texts = [span.attributes["db.query.text"] for span in spans]
    assert texts.count("SELECT 41 + 1") == 1


@pytest.fixture(scope="module")
def rabbit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    broker = RabbitMQ(tmp_path_factory.mktemp("rabbit"))
    broker.start()
    yield broker.url
    broker.stop()


def handled(spans: list[Span], system: str) -> None:
    """The work done for each message hangs below its sending, across the broker."""
    root = next(span for span in spans if span.operation.name == "root")
    sent = [span for span in spans if span.operation.kind == "producer"]
    received = [span for span in spans if span.operation.kind == "consumer"]
    work = [span for span in spans if span.operation.name == "work"]
    assert len(sent) == len(received) == len(work) == 2
    assert {span.parent_id for span in sent} == {root.span_id}
    assert [span.parent_id for span in received] == [span.span_id for span in sent]
    assert [span.parent_id for span in work] == [span.span_id for span in received]
    assert {span.trace_id for span in spans} == {root.trace_id}
    assert {span.attributes["messaging.system"] for span in sent + received} == {system}
    assert {span.status for span in spans} == {"unset"}
    assert {span.operation.file for span in spans} == {__file__}


def test_rabbitmq_with_callbacks(reader: Reader, rabbit: str) -> None:
    def work(channel: Any, method: Any, properties: Any, body: bytes) -> None:
        with tracer.span("work"):
            channel.basic_ack(method.delivery_tag)
        assert properties.content_type == "text/plain"
        if body == b"last":
            channel.stop_consuming()

    with recording(reader, hooks=True), pika.BlockingConnection(pika.URLParameters(rabbit)) as connection:
        channel = connection.channel()
        channel.queue_declare("calls")
        text = pika.BasicProperties(content_type="text/plain")
        with tracer.span("root"):
            for body in (b"first", b"last"):
                channel.basic_publish("", "calls", body, text)
        assert text.headers is None
        channel.basic_consume("calls", work)
        channel.start_consuming()
    handled(reader.spans(), "rabbitmq")


def test_rabbitmq_with_a_loop(reader: Reader, rabbit: str) -> None:
    with recording(reader, hooks=True), pika.BlockingConnection(pika.URLParameters(rabbit)) as connection:
        channel = connection.channel()
        channel.queue_declare("loop")
        with tracer.span("root"):
            channel.basic_publish("", "loop", b"first")
            channel.basic_publish("", "loop", b"last")
        for method, _, body in channel.consume("loop"):
            with tracer.span("work"):
                channel.basic_ack(method.delivery_tag)
            if body == b"last":
                break
        assert tracer.current().span_id == "0" * 16
        channel.cancel()
    handled(reader.spans(), "rabbitmq")


@pytest.mark.filterwarnings("ignore:.*_text is deprecated")  # kafka-python, while it is imported
def test_kafka_with_a_loop(reader: Reader, tmp_path: Path) -> None:
    kafka = importlib.import_module("kafka")
    broker = Kafka(tmp_path / "kafka")
    broker.start()
    where = (
        f"127.0.0.1:{broker.port}"  # and the version is told: the broker answers that question in its own way
    )
    try:
        with recording(reader, hooks=True):
            producer = kafka.KafkaProducer(bootstrap_servers=where, api_version=(2, 0))
            with tracer.span("root"):
                for body in (b"first", b"last"):
                    producer.send("events", body, headers=[("own", b"1")], partition=0)
            producer.close()
            consumer = kafka.KafkaConsumer(
                "events", bootstrap_servers=where, api_version=(2, 0), auto_offset_reset="earliest"
            )
            for record in consumer:
                with tracer.span("work"):
                    assert ("own", b"1") in record.headers
                if record.value == b"last":
                    break
            assert tracer.current().span_id == "0" * 16
            consumer.close()
    finally:
        broker.stop()
    handled(reader.spans(), "kafka")


@pytest.mark.parametrize("kind", ["Producer", "SerializingProducer"])
def test_kafka_by_librdkafka(reader: Reader, tmp_path: Path, kind: str) -> None:
    library = importlib.import_module("confluent_kafka")
    broker = Kafka(tmp_path / "kafka")
    broker.start()
    where = {"bootstrap.servers": f"127.0.0.1:{broker.port}"}
    try:
        with recording(reader, hooks=True):
            producer = getattr(library, kind)(where)
            with tracer.span("root"):
                producer.produce("events", value=b"first", partition=0, headers=[("own", b"1")])
                producer.produce("events", value=b"last", partition=0, headers={"own": b"1"})
            assert producer.flush(30) == 0
            consumer = library.Consumer({**where, "group.id": "us", "auto.offset.reset": "earliest"})
            consumer.assign([library.TopicPartition("events", 0, library.OFFSET_BEGINNING)])
            for body in (b"first", b"last"):
                message = consumer.poll(30)
                assert (message.error(), message.value()) == (None, body)
                assert ("own", b"1") in message.headers()
                about = {"messaging.system": "kafka"}
                parent = tracer.extract(message.headers())
                with tracer.span("process", about, kind=tracer.CONSUMER, parent=parent), tracer.span("work"):
                    pass
            consumer.close()
    finally:
        broker.stop()
    handled(reader.spans(), "kafka")


def test_child_processes_continue_the_trace(reader: Reader) -> None:
    show = [sys.executable, "-c", "import os; print(os.environ.get('TRACEPARENT', ''))"]

    async def asynchronously() -> bytes:
        child = await asyncio.create_subprocess_exec(*show, stdout=asyncio.subprocess.PIPE)
        return (await child.communicate())[0]

    with recording(reader, hooks=True):
        assert subprocess.check_output(show) == b"\n"
        with tracer.span("root") as root:
            expected = f"00-{root.trace_id}-{root.span_id}-03\n".encode()
            assert subprocess.check_output(show) == expected
            assert subprocess.check_output(show, env={"PATH": os.environ["PATH"]}) == expected
            assert subprocess.check_output(show, env={"TRACEPARENT": "own"}) == b"own\n"
            assert asyncio.run(asynchronously()) == expected
