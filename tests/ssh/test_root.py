"""Root on a real host: through sudo without and with a password, and the words where it is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from devbox.adapters.ssh.connection import connect
from devbox.errors import AuthError
from devbox.ports.host import Finished, Line, Privilege, Script, Stream
from tests.contracts.host import eventually, texts
from tests.rehearsal.hosts import RehearsalHost
from tests.ssh.answers import Answers

pytestmark = pytest.mark.host

_USERS = """
for user in typing stranger; do
    id $user >/dev/null 2>&1 || useradd -m -s /bin/sh $user
    echo "$user:open sesame" | chpasswd
    mkdir -p /home/$user/.ssh
    cp /home/dev/.ssh/authorized_keys /home/$user/.ssh/
    chown -R $user: /home/$user/.ssh
done
echo 'typing ALL=(ALL) ALL' >/etc/sudoers.d/typing
"""


@pytest.fixture(scope="module")
def people(rehearsal_host: RehearsalHost) -> Iterator[str]:
    """The shared host with `typing`, who types a password for sudo, and `stranger`, unknown to sudo."""
    rehearsal_host.sh(_USERS)
    yield rehearsal_host.name
    rehearsal_host.sh("rm -f /etc/sudoers.d/typing; userdel -r typing; userdel -r stranger", check=False)


def as_root(text: str, **files: bytes) -> Script:
    return Script(text, files, Privilege.ROOT)


def test_without_a_password(people: str, ssh_config: Callable[[], Path]) -> None:
    ssh_config()
    with connect(f"dev@{people}") as connection:
        said = list(
            connection.run(as_root('id -u; stat -c "%U %a" "$DEVBOX_STAGE"; cat "$DEVBOX_STAGE/a"', a=b"A"))
        )
        assert said == [*(Line(Stream.OUT, one) for one in ("0", "root 700", "A")), Finished(0)]
        assert texts(connection.run(Script("id -un"))) == ["dev"]


def test_ending_early_ends_roots_script_too(people: str, ssh_config: Callable[[], Path]) -> None:
    ssh_config()
    with connect(f"dev@{people}") as connection:
        running = connection.run(as_root('echo "$DEVBOX_STAGE"; echo $$; sleep 985'))
        stage, pid = (line.text for line in (next(running), next(running)) if isinstance(line, Line))
        running.close()
        gone = Script(f"[ ! -e /proc/{pid} ] && [ ! -e {stage} ]", privilege=Privilege.ROOT)
        assert eventually(lambda: list(connection.run(gone))[-1] == Finished(0))


def test_with_a_password_asked_once(people: str, ssh_config: Callable[[], Path]) -> None:
    ssh_config()
    ask = Answers(["open sesame"])
    with connect(f"typing@{people}", ask) as connection:
        data = b"x" * 100_000
        for _ in range(2):
            assert texts(connection.run(as_root('id -u; wc -c <"$DEVBOX_STAGE/a"', a=data))) == [
                "0",
                "100000",
            ]
    assert len(ask.asked) == 1
    assert "sudo password" in ask.asked[0]


def test_a_wrong_password_is_asked_again_and_never_takes_the_script_for_one(
    people: str, ssh_config: Callable[[], Path]
) -> None:
    ssh_config()
    ask = Answers(["wrong", "open sesame"])
    with connect(f"typing@{people}", ask) as connection:
        assert texts(connection.run(as_root("id -u"))) == ["0"]
    assert len(ask.asked) == 2


def test_nobody_there_to_type_it(people: str, ssh_config: Callable[[], Path]) -> None:
    ssh_config()
    with connect(f"typing@{people}") as connection, pytest.raises(AuthError, match="sudo wants a password"):
        connection.run(as_root("id -u"))


def test_whom_sudo_does_not_know(people: str, ssh_config: Callable[[], Path]) -> None:
    ssh_config()
    with (
        connect(f"stranger@{people}", Answers(["open sesame"])) as connection,
        pytest.raises(AuthError, match=r"sudo does not let stranger be root.*not in the sudoers") as caught,
    ):
        connection.run(as_root("id -u"))
    assert any(step.startswith("connect as root") for step in caught.value.next_steps)


def test_no_password_in_command_lines(people: str, ssh_config: Callable[[], Path]) -> None:
    ssh_config()
    with connect(f"typing@{people}", Answers(["open sesame"])) as connection:
        lines = texts(connection.run(as_root("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")))
    assert any("sudo" in line for line in lines)
    assert not any("sesame" in line for line in lines)
