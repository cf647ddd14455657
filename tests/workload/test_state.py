"""Data of another version is put aside, never read and never lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from devbox.workload import local
from devbox.workload.state import FORMAT, prepare
from tests.workload.shops import Running


def test_a_new_folder_is_of_this_version(tmp_path: Path) -> None:
    assert prepare(tmp_path / "new") is None
    assert (tmp_path / "new" / "format").read_text().strip() == FORMAT
    (tmp_path / "new" / "order.db").write_text("data")
    assert prepare(tmp_path / "new") is None
    assert (tmp_path / "new" / "order.db").read_text() == "data"


def test_several_who_start_at_once_move_it_once(tmp_path: Path) -> None:
    for name in ("order.db", "order.db-wal", "queue.db", "switches.json"):
        (tmp_path / name).write_text(name)
    with ThreadPoolExecutor(5) as crowd:
        moved = [aside for aside in crowd.map(lambda _: prepare(tmp_path), range(5)) if aside]
    assert moved == [tmp_path / "format-1"]
    kept = {file.name: file.read_text() for file in moved[0].iterdir()}
    assert kept == {name: name for name in ("order.db", "order.db-wal", "queue.db", "switches.json")}


def test_the_shop_starts_on_what_another_version_left(tmp_path: Path) -> None:
    (tmp_path / "order.db").write_text("no database at all")
    said: list[str] = []
    try:
        shop = Running(local.up(tmp_path, note=said.append))
        assert shop.order().status == 200
    finally:
        local.down(tmp_path)
    assert any("format-1" in text for text in said)
