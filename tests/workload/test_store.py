"""What every database must do for a service, asked of each real one."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devbox.errors import UsageError
from devbox.workload.database import Taken
from devbox.workload.databases import open_database
from devbox.workload.failures import Unavailable
from devbox.workload.store import Store
from tests.workload.brokers import Postgres

SCHEMA = """
CREATE TABLE IF NOT EXISTS things (id TEXT PRIMARY KEY, size INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS more (id TEXT PRIMARY KEY);
"""

Another = Callable[[], Store]


@pytest.fixture(params=["sqlite", "postgres"])
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Another]:
    """Opens the same database as often as it is called, as different processes do."""
    url = "" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    name = f"t{uuid.uuid4().hex[:8]}"
    made: list[Store] = []

    def opened() -> Store:
        made.append(Store(open_database(url, tmp_path, name), SCHEMA))
        return made[-1]

    yield opened
    for store in made:
        store.close()


@pytest.fixture
def store(another: Another) -> Store:
    return another()


def put(store: Store, name: str, size: int = 1) -> None:
    with store.write() as change:
        change.run("INSERT INTO things VALUES (?, ?)", name, size)


def test_what_is_written_is_there_for_the_next_one(store: Store, another: Another) -> None:
    put(store, "ünï % ?", 7)
    other = another()
    row = other.row("SELECT id, size FROM things WHERE size = ?", 7)
    assert row is not None
    assert dict(row) == {"id": "ünï % ?", "size": 7}
    assert other.row("SELECT id FROM things WHERE size = ?", 8) is None


def test_a_key_that_is_there_is_taken_and_nothing_of_the_transaction_stays(store: Store) -> None:
    put(store, "one")

    def both() -> None:
        with store.write() as change:
            change.run("INSERT INTO things VALUES (?, ?)", "two", 2)
            change.run("INSERT INTO things VALUES (?, ?)", "one", 3)

    with pytest.raises(Taken):
        both()
    assert [row["id"] for row in store.rows("SELECT id FROM things")] == ["one"]
    put(store, "three")


def test_whatever_fails_in_a_transaction_undoes_it(store: Store) -> None:
    def half() -> None:
        with store.write() as change:
            change.run("INSERT INTO things VALUES (?, ?)", "half", 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert store.rows("SELECT id FROM things") == []


def test_of_many_who_want_the_same_key_one_gets_it(store: Store) -> None:
    def attempt(_: int) -> bool:
        try:
            put(store, "wanted")
        except Taken:
            return False
        return True

    with ThreadPoolExecutor(8) as crowd:
        assert sum(crowd.map(attempt, range(40))) == 1


def test_writers_of_several_processes_do_not_get_in_each_others_way(store: Store, another: Another) -> None:
    stores = [store, another(), another()]
    with ThreadPoolExecutor(6) as crowd:
        list(crowd.map(lambda number: put(stores[number % 3], f"n{number}", number), range(60)))
    row = store.row("SELECT count(*) AS count, sum(size) AS sum FROM things")
    assert row is not None
    assert (row["count"], row["sum"]) == (60, sum(range(60)))


def test_how_many_rows_a_statement_touched(store: Store) -> None:
    put(store, "one")
    put(store, "two")
    with store.write() as change:
        assert change.run("UPDATE things SET size = ?", 5) == 2
        assert change.run("DELETE FROM things WHERE id = ?", "nothing") == 0


def test_a_database_that_dies_is_unavailable_and_then_there_again() -> None:
    with tempfile.TemporaryDirectory(prefix="shop-postgres-") as folder:
        server = Postgres(Path(folder))
        server.start()
        try:
            store = Store(open_database(server.url, Path(folder), "order"), SCHEMA)
            put(store, "before")
            server.kill()
            for _ in range(3):
                with pytest.raises(Unavailable):
                    put(store, "meanwhile")
            server.start()
            put(store, "after")
            assert {row["id"] for row in store.rows("SELECT id FROM things")} == {"before", "after"}
            store.close()
        finally:
            server.stop()


def test_what_is_no_database_is_said_without_its_password(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        open_database("mysql://root:secret@somewhere/shop", tmp_path, "order")
    assert "secret" not in str(caught.value)
