"""Sessions from a real folder to a real sftp-server, one run at a time; the index real as well."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from devbox.errors import SyncHalted
from tests.sync.bench import Bench, bench_in, fill, picture, wanted


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return bench_in(tmp_path)


class TestOnce:
    def test_the_tree_arrives_and_the_second_run_has_nothing_to_do(self, bench: Bench) -> None:
        fill(bench.here)
        first = bench.run()
        assert picture(bench.there) == wanted(bench.here)
        assert (first["put"], first["conflicts"], first["problems"]) == (5, {}, {})
        second = bench.run()
        assert (second["put"], second["removed"], second["bytes"], second["files"]) == (0, 0, 0, 6)

    def test_changes_made_while_nobody_watched(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.here / "app.py").write_text("print('HELLO')\n")
        (bench.here / "pkg" / "a.py").unlink()
        (bench.here / "link").unlink()
        (bench.here / "pkg" / "deep").rename(bench.here / "deeper")
        (bench.here / "run.sh").chmod(0o644)
        (bench.here / "new").mkdir()
        (bench.here / "new" / "f").write_bytes(b"")
        report = bench.run()
        assert picture(bench.there) == wanted(bench.here)
        assert report["moved"] == 1

    def test_kinds_change(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.here / "app.py").unlink()
        (bench.here / "app.py").mkdir()
        (bench.here / "app.py" / "inside").write_text("1")
        (bench.here / "pkg" / "deep" / "b.py").unlink()
        (bench.here / "pkg" / "deep").rmdir()
        (bench.here / "pkg" / "deep").write_text("a file now")
        (bench.here / "link").unlink()
        (bench.here / "link").write_text("was a link")
        bench.run()
        assert picture(bench.there) == wanted(bench.here)

    def test_a_link_to_a_folder_becomes_a_folder_like_it(self, bench: Bench) -> None:
        """What the host shows behind the link is not there yet, though its bytes are equal."""
        (bench.here / "releases/1/static").mkdir(parents=True)
        (bench.here / "releases/1/static/app.js").write_text("1")
        (bench.here / "current").symlink_to("releases/1")
        bench.run()
        (bench.here / "current").unlink()
        shutil.copytree(bench.here / "releases/1", bench.here / "current")
        (bench.here / "releases/1/static/app.js").write_text("2")
        report = bench.run()
        assert (report["conflicts"], report["adopted"]) == ({}, 0)
        assert picture(bench.there) == picture(bench.here)

    def test_equal_bytes_are_adopted_others_conflict(self, bench: Bench) -> None:
        fill(bench.here)
        bench.there.mkdir()
        (bench.there / "app.py").write_text("print('hello')\n")
        (bench.there / "run.sh").write_text("#!/bin/no\n")
        report = bench.run()
        assert report["adopted"] == 1
        assert report["conflicts"] == {"run.sh": "stands on the host already, with other content"}
        assert (bench.there / "run.sh").read_text() == "#!/bin/no\n"
        assert (bench.there / "pkg/deep/b.py").exists()

    def test_only_what_devbox_put_there_is_deleted(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.there / "pkg" / "made-there").write_text("x")
        (bench.there / "app.py").write_text("edited on the host")
        (bench.here / "app.py").unlink()
        for name in ("a.py", "deep/b.py"):
            (bench.here / "pkg" / name).unlink()
        (bench.here / "pkg" / "deep").rmdir()
        (bench.here / "pkg").rmdir()
        report = bench.run()
        assert (bench.there / "pkg" / "made-there").exists()
        assert not (bench.there / "pkg" / "deep").exists()
        assert report["conflicts"] == {"app.py": "deleted here, changed on the host"}
        assert (bench.there / "app.py").read_text() == "edited on the host"

    def test_a_remote_edit_is_a_conflict_until_it_is_taken(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.there / "app.py").write_text("edited on the host")
        assert bench.run()["conflicts"] == {"app.py": "changed on the host"}
        session = bench.session()
        assert session.take_local(b"app.py").clean
        assert (bench.there / "app.py").read_text() == "print('hello')\n"
        session.close()
        (bench.there / "app.py").write_text("edited on the host again")
        session = bench.session()
        session.run_once()
        session.pull(b"app.py", force=True)
        assert (bench.here / "app.py").read_text() == "edited on the host again"
        assert session.run_once().clean
        session.close()

    def test_what_went_missing_there_comes_back(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        (bench.there / "pkg" / "a.py").unlink()
        bench.run()
        assert picture(bench.there) == wanted(bench.here)

    def test_an_emptied_remote_root_halts(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        bench.there.rename(bench.there.with_name("unmounted"))
        with pytest.raises(SyncHalted, match="remote root is gone"):
            bench.run()
        bench.there.mkdir()
        with pytest.raises(SyncHalted, match="remote root is empty"):
            bench.run()
        session = bench.session()
        assert session.take_local(b"").clean
        session.close()
        assert picture(bench.there) == wanted(bench.here)

    def test_an_emptied_local_root_halts(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        bench.here.rename(bench.here.with_name("unmounted"))
        with pytest.raises(SyncHalted, match="folder is gone"):
            bench.run()
        bench.here.mkdir()
        with pytest.raises(SyncHalted, match="empty"):
            bench.run()
        assert (bench.there / "app.py").exists()

    def test_a_mass_of_deletes_waits_for_a_yes(self, bench: Bench) -> None:
        fill(bench.here)
        (bench.here / "many").mkdir()
        for number in range(40):
            (bench.here / "many" / str(number)).write_text("x")
        bench.run()
        for number in range(40):
            (bench.here / "many" / str(number)).unlink()
        (bench.here / "app.py").write_text("the rest goes on")
        assert bench.run()["deletes_parked"] == 40
        assert (bench.there / "app.py").read_text() == "the rest goes on"
        assert len(list((bench.there / "many").iterdir())) == 40
        session = bench.session()
        session.rounds.brake.confirmed = True
        assert session.run_once().removed == 40
        session.close()
        assert picture(bench.there) == wanted(bench.here)

    def test_another_host_at_the_same_address_starts_afresh(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        for left in [*bench.there.parent.glob(".devbox-staging*"), bench.there]:
            left.rename(left.with_name("old" + left.name))
        assert bench.run()["put"] == 5
        assert picture(bench.there) == wanted(bench.here)

    def test_a_dry_run_forgets_nothing_though_another_root_stands_there(self, bench: Bench) -> None:
        fill(bench.here)
        bench.run()
        aside = [one.rename(one.with_name("old" + one.name)) for one in bench.there.parent.glob("*there")]
        session = bench.session()
        assert session.dry_run().size > 5
        session.close()
        for one in aside:
            one.rename(one.with_name(one.name.removeprefix("old")))
        (bench.here / "app.py").unlink()
        assert bench.run()["removed"] == 1

    def test_a_same_size_edit_within_the_same_clock_tick_is_seen(self, bench: Bench) -> None:
        file = bench.here / "f"
        file.write_text("one")
        state = file.stat()
        bench.run()
        file.write_text("two")
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
        bench.run()
        assert (bench.there / "f").read_text() == "two"

    def test_links_out_of_the_tree_and_pipes_are_left_out(self, bench: Bench) -> None:
        fill(bench.here)
        (bench.here / "out").symlink_to("/etc/passwd")
        (bench.here / "up").symlink_to("../../secrets")
        os.mkfifo(bench.here / "pipe")
        session = bench.session()
        session.run_once()
        assert set(session.rounds.looking.skipped) == {b"out", b"up", b"pipe"}
        session.close()
        assert not (bench.there / "out").is_symlink()

    def test_killed_between_rename_and_record(self, bench: Bench) -> None:
        """The journal: what we put there ourselves is no conflict, though the index does not know it."""
        fill(bench.here)
        bench.run()
        (bench.here / "app.py").write_text("second")
        bench.killed()
        (bench.here / "app.py").write_text("and a third one")
        report = bench.run()
        assert report["conflicts"] == {}
        assert (bench.there / "app.py").read_text() == "and a third one"
