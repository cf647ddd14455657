"""A firewall on the host: named, opened for one address on demand, and exactly that closed again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from devbox.host import firewall, plan
from devbox.host.model import Wish
from tests.host.captured import bookworm
from tests.host.desk import Desk
from tests.rehearsal import hosts

Seat = Callable[[hosts.RehearsalHost], Desk]
_CLOSED = (
    "iptables -A INPUT -i lo -j ACCEPT; iptables -A INPUT -p tcp --dport 22 -j ACCEPT;"
    "iptables -A INPUT -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT; iptables -P INPUT DROP"
)
_NFT = """nft -f - <<'X'
table inet mine {
    chain in {
        type filter hook input priority 0; policy accept;
        iif lo accept
        ct state established,related accept
        tcp dport 22 accept
        reject
    }
}
X"""


def by_its_own_address(desk: Desk) -> None:
    """Its published ports are accepted by the machine, not by the host."""
    config = desk.folder / "ssh_config"
    own = f"  HostName {desk.host.inner}\n  HostKeyAlias {desk.host.address}"
    config.write_text(config.read_text().replace(f"  HostName {desk.host.address}", own))


@pytest.mark.host
def test_iptables_is_opened_for_one_address_and_closed_again(desk: Desk) -> None:
    by_its_own_address(desk)
    desk.host.sh(_CLOSED)
    before, rules = desk.snapshot(), desk.host.sh("iptables -S INPUT")
    said = desk.init(code=1)
    assert "the host has a firewall (iptables): TCP port 2376 must be open" in said
    assert "the proof failed: with our certificate" in said
    assert "next: open TCP port 2376 for this machine: devbox init --open-firewall" in said
    assert (desk.snapshot(), desk.host.sh("iptables -S INPUT")) == (before, rules)

    plan = desk.devbox("init", desk.host.name, "--plan", "--open-firewall")
    assert "+ExecStart=/bin/sh -c 'iptables -w -C INPUT -p tcp -s 172.29.77.1/32 --dport 2376" in plan
    assert "ok  with our certificate" in desk.init("--open-firewall")
    assert desk.host.sh("iptables -S INPUT").count("--dport 2376") == 1
    assert "nothing to do" in desk.init()
    assert "nothing to do" in desk.init("--open-firewall")
    desk.host.sh("systemctl restart docker.service")
    assert desk.host.sh("iptables -S INPUT").count("--dport 2376") == 1

    desk.init("--from", "10.1.2.0/24", "--from", "172.29.77.1")
    assert "-s 10.1.2.0/24 -p tcp" in desk.host.sh("iptables -S INPUT")
    desk.reset_to(before)
    assert desk.host.sh("iptables -S INPUT") == rules


@pytest.fixture(scope="module")
def walls(bench: None) -> Iterator[hosts.RehearsalHost]:
    """A host with firewalls to choose from, none of them on."""
    host = hosts.up(hosts.Wish(hosts.shared_name("walls"), python_image=False))
    tools = "nftables ufw firewalld"
    host.sh("systemctl mask firewalld")  # or it would be on as soon as it is installed
    host.sh(f"apt-get update -q && apt-get install -q -y --no-install-recommends {tools}")
    yield host
    hosts.down(host.name)


@pytest.mark.host
def test_nftables(walls: hosts.RehearsalHost, desk_at: Seat) -> None:
    desk = desk_at(walls)
    desk.host.sh(_NFT)
    before, rules = desk.snapshot(), desk.host.sh("nft list table inet mine")
    assert "a firewall (nftables)" in desk.init(code=1)
    desk.init("--open-firewall")
    assert 'tcp dport 2376 accept comment "devbox 172.29.77.1/32"' in desk.host.sh("nft list table inet mine")
    desk.reset_to(before)
    assert desk.host.sh("nft list table inet mine; nft delete table inet mine") == rules


@pytest.mark.host
def test_ufw(walls: hosts.RehearsalHost, desk_at: Seat) -> None:
    desk = desk_at(walls)
    desk.host.sh("ufw allow 22/tcp; ufw --force enable")
    before, rules = desk.snapshot(), desk.host.sh("ufw status numbered")
    said = desk.init("--open-firewall")
    assert "go past ufw" in said
    assert "2376/tcp" in desk.host.sh("ufw status numbered")
    desk.reset_to(before)
    assert desk.host.sh("ufw status numbered") == rules
    desk.host.sh("ufw --force disable")


_FIREWALLD = "firewall-cmd --zone=public --list-all; firewall-cmd --zone=public --permanent --list-all"
_RULE = 'rule family="ipv4" source address="172.29.77.1/32" port port="2376" protocol="tcp" accept'


@pytest.mark.host
def test_firewalld(walls: hosts.RehearsalHost, desk_at: Seat) -> None:
    desk = desk_at(walls)
    by_its_own_address(desk)
    # A dockerd that meets firewalld for the first time gives it a zone of its own.
    desk.host.sh("systemctl unmask firewalld; systemctl start firewalld; systemctl restart docker.service")
    before, rules = desk.snapshot(), desk.host.sh(_FIREWALLD)
    said = desk.init(code=1)
    assert "the host has a firewall (firewalld, nftables): TCP port 2376 must be open" in said
    assert "the proof failed: with our certificate" in said
    assert (desk.snapshot(), desk.host.sh(_FIREWALLD)) == (before, rules)

    assert "+ExecStart=/bin/sh -c 'firewall-cmd -q --permanent --add-rich" in desk.init("--open-firewall")
    desk.host.sh("firewall-cmd --reload; systemctl restart firewalld")
    assert desk.host.sh("firewall-cmd --zone=public --list-rich-rules") == f"{_RULE}\n"
    assert "nothing to do" in desk.init()
    off = "systemctl stop firewalld; systemctl stop devbox-firewall; systemctl start firewalld"
    assert desk.host.sh(f"{off}; {_FIREWALLD}") == rules, "its permanent rule, too, and although it was off"
    desk.host.sh("systemctl start devbox-firewall")
    desk.devbox("host", "reset", "--yes")
    assert desk.host.sh(_FIREWALLD) == rules
    assert _but_zones(desk.snapshot()) == _but_zones(before)
    desk.host.sh("systemctl stop firewalld; systemctl mask firewalld")


def _but_zones(snapshot: str) -> list[str]:
    """firewalld writes a zone that was ever edited into a file, and keeps a copy of the one before."""
    return [line for line in snapshot.splitlines() if "/etc/firewalld/zones/" not in line]


def text(*lines: str, **wish: object) -> str:
    return firewall.unit(bookworm("client=192.0.2.7", *lines), Wish(open_firewall=True, **wish))  # type: ignore[arg-type]


def test_where_a_front_end_is_on_it_alone_is_told() -> None:
    found = text("firewall=firewalld", "nft_chain=inet firewalld filter_INPUT")
    assert "firewall-cmd -q --permanent --add-rich-rule=" in found
    assert "firewall-offline-cmd -q --remove-rich-rule=" in found
    assert "nft insert" not in found
    assert "ufw allow proto tcp from 192.0.2.7/32 to any port 2376" in text(
        "firewall=ufw", "firewall=iptables"
    )


def test_each_family_gets_the_rule_of_its_own_tables() -> None:
    both = ("firewall=iptables", "firewall=ip6tables")
    found = text(*both, sources=("192.0.2.0/24", "2001:db8::1"))
    assert "ExecStart=/bin/sh -c 'iptables -w -C INPUT -p tcp -s 192.0.2.0/24" in found
    assert "ExecStart=/bin/sh -c 'ip6tables -w -C INPUT -p tcp -s 2001:db8::1/128" in found
    assert "ip6tables" not in text(*both)
    assert "ip6 saddr 2001:db8::1/128" in text("nft_chain=inet a b", sources=("2001:db8::1",))


def test_chains_of_iptables_are_left_to_iptables() -> None:
    found = text("nft_chain=ip filter INPUT", "nft_chain=ip6 filter INPUT", "firewall=iptables")
    assert "nft " not in found
    assert "iptables" in found


def test_nobody_is_let_in_by_guess() -> None:
    found = plan.make(bookworm("firewall=ufw"), Wish(open_firewall=True, host="localhost"), None)
    assert found.refusals[0].next == ("devbox init localhost --from ADDRESS",)
    named = Wish(open_firewall=True, host="localhost", sources=("192.0.2.7",))
    assert not plan.make(bookworm("firewall=ufw"), named, None).refusals


def test_without_a_firewall_there_is_nothing_to_open() -> None:
    assert text() == ""


def test_a_command_reaches_the_shell_as_it_is() -> None:
    assert firewall.quoted("a '$b' \"%c\" \\d") == "'a \\'$$b\\' \"%%c\" \\\\d'"
