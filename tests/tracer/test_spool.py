"""Nothing that ended is lost: SIGKILL, fork, threads, full spools, full disks."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from tests.traces.reading import ROOT, Reader, run, started


def test_a_span_keeps_everything_that_was_said_about_it(spool: Path, reader: Reader) -> None:
    run(
        """
        with tracer.span("outer", {"http.method": "GET"}, kind=tracer.SERVER, number=7) as outer:
            outer.add_event("halfway", {"at": 1})
            with tracer.span("inner"):
                tracer.current().set_attributes({"text": "x" * 5000, "list": [1, 2], "odd": {1, 2}})
        """,
        spool,
    )
    outer, inner = reader.named("outer"), reader.named("inner")
    assert (outer.operation.service, outer.operation.kind, outer.parent_id) == ("app", "server", "")
    assert outer.attributes == {"http.method": "GET", "number": 7}
    assert [(event.name, dict(event.attributes)) for event in outer.events] == [("halfway", {"at": 1})]
    assert outer.start <= outer.events[0].at <= outer.end
    assert (inner.trace_id, inner.parent_id) == (outer.trace_id, outer.span_id)
    assert outer.start <= inner.start <= inner.end <= outer.end
    assert len(inner.attributes["text"]) == 4097
    assert inner.attributes["list"] == [1, 2]
    assert inner.attributes["odd"] == ["1", "2"]


def test_sigkill_loses_no_ended_span(spool: Path, reader: Reader) -> None:
    code = """
        import sys
        for number in range(5000):
            with tracer.span("work", number=number): pass
        print("done", flush=True)
        sys.stdin.read()
    """
    with started(code, spool) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "done\n"
        process.send_signal(signal.SIGKILL)
    assert sorted(span.attributes["number"] for span in reader.spans()) == list(range(5000))
    assert reader.account().created == reader.account().stored == 5000


def test_sigkill_in_the_midst_of_writing(spool: Path, reader: Reader) -> None:
    """What the process said it had ended is there, at whatever moment it is killed."""
    code = """
        import os
        number = 0
        while True:
            with tracer.span("work", number=number): pass
            number += 1
            if number % 100 == 0:
                os.write(1, b"%d\\n" % number)
    """
    with started(code, spool) as process:
        assert process.stdout is not None
        for _ in range(300):
            said = int(process.stdout.readline())
        process.kill()
        rest, _ = process.communicate()
    said = int(rest.splitlines()[-1]) if rest.strip() else said
    numbers = sorted(span.attributes["number"] for span in reader.spans())
    assert numbers == list(range(len(numbers)))
    assert len(numbers) >= said


def test_fork_gives_the_child_a_spool_and_ids_of_its_own(spool: Path, reader: Reader) -> None:
    run(
        """
        import os
        with tracer.span("before"):
            child = os.fork()
            for _ in range(3000):
                with tracer.span("child" if child == 0 else "parent"): pass
            if child == 0:
                os._exit(0)
            os.waitpid(child, 0)
        """,
        spool,
    )
    spans = reader.spans()
    assert sum(span.operation.name == "child" for span in spans) == 3000
    assert sum(span.operation.name == "parent" for span in spans) == 3000
    assert len({span.span_id for span in spans}) == 6001
    assert {span.trace_id for span in spans} == {reader.named("before").trace_id}
    assert len({span.process for span in spans}) == 2


def test_a_forked_child_does_not_keep_its_dead_parent_alive(spool: Path, reader: Reader) -> None:
    code = """
        import os, sys
        with tracer.span("parent"): pass
        if os.fork():
            os.kill(os.getpid(), 9)
        with tracer.span("child"): pass
        print("ready", flush=True)
        sys.stdin.read()
    """
    with started(code, spool) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.wait()  # the child may be quicker than its parent's end
        assert {span.operation.name for span in reader.spans()} == {"parent", "child"}
        assert len(list(spool.glob("*.meta"))) == 1  # the parent's is read to its end and gone


def test_threads_write_side_by_side(spool: Path, reader: Reader) -> None:
    run(
        """
        import threading
        def work():
            for number in range(20000):
                with tracer.span("plain"): pass
                if number % 50 == 0:
                    with tracer.span("told", said="x" * 200): pass
        threads = [threading.Thread(target=work) for _ in range(4)]
        for one in threads: one.start()
        for one in threads: one.join()
        """,
        spool,
    )
    spans = reader.spans()
    assert len(spans) == 81600
    assert len({span.span_id for span in spans}) == 81600
    assert all(span.attributes["said"] == "x" * 200 for span in spans if span.operation.name == "told")
    account = reader.account()
    assert (account.stored, account.dropped) == (81600, 0)


def test_what_the_bound_pushes_out_is_counted(spool: Path, reader: Reader) -> None:
    run(
        """
        for _ in range(50000):
            with tracer.span("work"): pass
        """,
        spool,
        DEVBOX_TRACE_SPOOL_BYTES=str(1 << 20),
    )
    assert sum(file.stat().st_size for file in spool.iterdir()) <= (1 << 20) + 4096
    spans = reader.spans()
    account = reader.account()
    assert account.created == 50000
    assert account.stored == len(spans) > 10000
    assert account.overrun == 50000 - len(spans)


def test_collecting_while_it_runs_frees_the_spool(spool: Path, reader: Reader) -> None:
    code = """
        import sys
        for line in sys.stdin:
            for _ in range(10000):
                with tracer.span("work"): pass
            print("done", flush=True)
    """
    with started(code, spool, DEVBOX_TRACE_SPOOL_BYTES=str(2 << 20)) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        for _ in range(8):
            process.stdin.write("go\n")
            process.stdin.flush()
            process.stdout.readline()
            reader.collect()
        process.communicate()
    reader.collect()
    assert reader.account().stored == reader.account().created == 80000
    assert list(spool.iterdir()) == []


def test_a_collector_that_comes_twice_brings_nothing_twice(spool: Path, reader: Reader) -> None:
    code = "with tracer.span('one'): pass\nprint(1, flush=True)\nimport sys; sys.stdin.read()"
    with started(code, spool) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert reader.collect().spans == 1
        assert reader.collect().spans == 0
        process.communicate("")
    assert reader.collect().spans == 0
    assert reader.account().stored == 1


def test_an_unwritable_spool_is_said_once_and_breaks_nothing(spool: Path) -> None:
    spool.write_text("a file, where a folder should be")
    code = """
        for _ in range(1000):
            with tracer.span("work"): pass
        print("alive")
    """
    with started(code, spool) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (0, "alive\n")
    assert err.count("cannot write spans") == 1


def test_a_full_disk_is_said_and_what_did_not_fit_is_counted(spool: Path, reader: Reader) -> None:
    """The first segment fits, the second does not; then there is room again."""
    code = """
        import resource, sys, time
        def names(first, last):
            for number in range(first, last):
                with tracer.span(f"work {number}"): pass
        names(0, 500)
        _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (30000, hard))
        names(500, 3000)
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        time.sleep(1.1)
        names(3000, 3100)
        print("alive")
    """
    with started(code, spool) as process:
        out, err = process.communicate()
    assert (process.returncode, out) == (0, "alive\n")
    assert err.count("cannot write spans") == 1
    spans, account = reader.spans(), reader.account()
    assert [span.operation.name for span in spans] == [f"work {n}" for n in range(len(spans) - 100)] + [
        f"work {n}" for n in range(3000, 3100)
    ]
    assert (account.created, account.stored) == (3100, len(spans))
    assert account.unwritable == 3100 - len(spans) > 0


def test_another_user_may_collect_whatever_the_applications_umask(spool: Path) -> None:
    spool.mkdir()
    run("import os; os.umask(0o077)\nwith tracer.span('x'): pass", spool)
    assert {file.suffix: file.stat().st_mode & 0o777 for file in spool.iterdir()} == {
        ".meta": 0o644,
        ".ring": 0o644,
    }


def test_exit_leaves_a_finished_spool(spool: Path, reader: Reader) -> None:
    run("with tracer.span('work'): pass", spool)
    assert reader.named("work").operation.service == "app"
    assert list(spool.iterdir()) == []


def test_the_folder_alone_runs_anywhere(tmp_path: Path, spool: Path, reader: Reader) -> None:
    """Copied under another name, without devbox and without site-packages."""
    copy = tmp_path / "elsewhere" / "recorder"
    shutil.copytree(ROOT / "devbox" / "tracer", copy)
    code = "import recorder; recorder.configure('app')\nwith recorder.span('alone'): pass"
    subprocess.run(
        [sys.executable, "-S", "-E", "-c", f"import sys; sys.path.insert(0, {str(copy.parent)!r}); {code}"],
        env={**os.environ, "DEVBOX_TRACE_SPOOL": str(spool)},
        check=True,
    )
    assert reader.named("alone").operation.service == "app"


def test_importing_the_recorder_imports_nothing_heavy() -> None:
    code = "import sys; had = set(sys.modules); from devbox import tracer; print(*(set(sys.modules) - had))"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    heavy = {
        "json",
        "functools",
        "inspect",
        "threading",
        "random",
        "re",
        "traceback",
        "ast",
        "typing",
        "enum",
    }
    assert not heavy & set(done.stdout.split())
