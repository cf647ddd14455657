"""Firewall rules that let named addresses reach dockerd's port, and how to take exactly those away. Pure.

They live in a systemd unit of their own: whatever firewall the host has, starting it adds them, stopping it
takes them away, they come again after a reboot, and the plan shows them as the lines of a file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network

from devbox.host.model import Facts, File, Wish
from devbox.rendering import render

NAME = "devbox-firewall.service"
UNIT = f"/etc/systemd/system/{NAME}"
_OWN_TABLES = (("ip", "filter"), ("ip6", "filter"))
"""Where iptables-nft keeps its rules: iptables is asked about those."""
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule as shell text, and the command that takes it away; both may be repeated."""

    add: str
    remove: str


def sources(facts: Facts, wish: Wish) -> tuple[Network, ...]:
    """Who is to be let in: those named, else this machine as the host sees it."""
    named = wish.sources or ((facts.client,) if facts.client else ())
    return tuple(ip_network(one.partition("%")[0], strict=False) for one in named)


def unit(facts: Facts, wish: Wish) -> str:
    """The unit's text; "" where no firewall of the host stands in the way, or nobody is to be let in."""
    networks = sources(facts, wish)
    found = [rule for network in networks for rule in _rules(facts, network, wish.port)]
    if not found:
        return ""
    named = ", ".join(map(str, networks))
    added, removed = [quoted(one.add) for one in found], [quoted(one.remove) for one in found]
    return render("host/firewall.service.j2", sources=named, port=wish.port, added=added, removed=removed)


def present(facts: Facts) -> File | None:
    """The unit as it stands on the host."""
    return facts.files.get(UNIT)


def _rules(facts: Facts, network: Network, port: int) -> Iterator[Rule]:
    """ufw and firewalld own the tables below them: where one of them is on, it alone is told."""
    if "ufw" in facts.firewalls:
        yield _ufw(network, port)
    elif "firewalld" in facts.firewalls:
        yield _firewalld(network, port)
    else:
        tool = "iptables" if network.version == 4 else "ip6tables"
        if tool in facts.firewalls:
            yield _iptables(tool, network, port)
        for chain in facts.nft_chains:
            family, table, _ = chain
            if (family, table) not in _OWN_TABLES and family in ("inet", f"ip{_six(network)}"):
                yield _nft(chain, network, port)


def _six(network: Network) -> str:
    return "6" if network.version == 6 else ""


def _ufw(network: Network, port: int) -> Rule:
    rule = f"allow proto tcp from {network} to any port {port}"
    return Rule(f"ufw {rule} comment devbox", f"ufw --force delete {rule}")


def _firewalld(network: Network, port: int) -> Rule:
    words = f'family="ipv{network.version}" source address="{network}" port port="{port}" protocol="tcp"'
    both = "firewall-cmd -q --permanent --{0}-rich-rule='{1}' && firewall-cmd -q --{0}-rich-rule='{1}'"
    rule = f"rule {words} accept"
    # Stopped, firewalld keeps its permanent rules, and another tool takes them away.
    offline = f"firewall-offline-cmd -q --remove-rich-rule='{rule}'"
    remove = f"if firewall-cmd -q --state; then {both.format('remove', rule)}; else {offline}; fi"
    return Rule(both.format("add", rule), remove)


def _iptables(tool: str, network: Network, port: int) -> Rule:
    rule = f"INPUT -p tcp -s {network} --dport {port} -m comment --comment devbox -j ACCEPT"
    return Rule(f"{tool} -w -C {rule} 2>/dev/null || {tool} -w -I {rule}", f"{tool} -w -D {rule}")


def _nft(chain: tuple[str, str, str], network: Network, port: int) -> Rule:
    """nft deletes by handle only: ours is found by its comment."""
    where, name = " ".join(chain), f"devbox {network}"
    handles = f"nft -a list chain {where} | sed -n 's|.*comment \"{name}\" # handle ||p'"
    remove = f"for rule in $({handles}); do nft delete rule {where} handle $rule; done"
    match = f"ip{_six(network)} saddr {network} tcp dport {port} accept comment"
    return Rule(f"{remove}; nft insert rule {where} {match} '\"{name}\"'", remove)


def quoted(command: str) -> str:
    """A shell command as a word of ExecStart: systemd.service(5), "Command lines"."""
    plain = command.replace("\\", "\\\\").replace("'", "\\'").replace("%", "%%").replace("$", "$$")
    return f"'{plain}'"
