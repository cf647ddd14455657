"""One running shop for the tests that do not harm it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from devbox.workload import local
from tests.workload.brokers import Broker, Kafka, Postgres, RabbitMQ, Redis
from tests.workload.shops import Running


@pytest.fixture(scope="module")
def shop(
    tmp_path_factory: pytest.TempPathFactory, redis_url: str, rabbitmq_url: str, kafka_url: str
) -> Iterator[Running]:
    """The whole shop as processes, behind nginx, with every road open."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SHOP_BROKERS", f"{redis_url} {rabbitmq_url} {kafka_url}")
        yield from running(tmp_path_factory.mktemp("shop"))


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Redis of the tests' own."""
    yield from started(Redis(tmp_path_factory.mktemp("redis")))


@pytest.fixture(scope="session")
def rabbitmq_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real RabbitMQ of the tests' own."""
    yield from started(RabbitMQ(tmp_path_factory.mktemp("rabbitmq")))


@pytest.fixture(scope="session")
def kafka_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server of Kafka's protocol of the tests' own."""
    yield from started(Kafka(tmp_path_factory.mktemp("kafka")))


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A real PostgreSQL of the tests' own, in a folder that its own user can reach."""
    with tempfile.TemporaryDirectory(prefix="shop-postgres-") as folder:
        yield from started(Postgres(Path(folder)))


def started(broker: Broker) -> Iterator[str]:
    """The URL of a broker that runs meanwhile."""
    try:
        broker.start()
        yield broker.url
    finally:
        broker.stop()


def running(state: Path) -> Iterator[Running]:
    """A shop in this folder, ended afterwards."""
    try:
        yield Running(local.up(state))
    finally:
        local.down(state)
