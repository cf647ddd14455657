"""The story of preparing a host: read, settle what an earlier run left, plan, apply, prove, commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from devbox.config.model import Endpoint
from devbox.errors import AuthError, ConnectionLost, DevboxError, ScriptFailed
from devbox.host import apply, daemon, facts, manifest, material, plan, proof, undo
from devbox.host.material import Renew
from devbox.host.model import CA, Facts, Plan, Wish
from devbox.host.proof import Findings
from devbox.host.room import Proposal, Room
from devbox.ports.check import Verdict
from devbox.ports.events import Event
from devbox.ports.host import Privilege


def read(room: Room, roots: Sequence[str], endpoint: Endpoint) -> Facts:
    """The facts, as root where that is needed and possible; without root they say why."""
    if endpoint is Endpoint.SSH and all(path.startswith("~") for path in roots):
        found = _read(room, roots, Privilege.USER)
        if not daemon.prepared(found):  # else there is a port to be closed again
            return found
    try:
        return _read(room, roots, Privilege.ROOT)
    except AuthError as error:
        return replace(_read(room, roots, Privilege.USER), no_root=error.why or error.what)


def _read(room: Room, roots: Sequence[str], privilege: Privilege) -> Facts:
    lines, code = apply.run_lines(room.host, facts.script(roots, privilege))
    if code:
        raise ScriptFailed(
            "the host cannot say what it is", where=str(room.host.address), why=f"exit code {code}"
        )
    return facts.parse(lines)


def propose(room: Room, wish: Wish, renew: Renew = Renew.NEEDED) -> Proposal:
    """Read the host and plan, with the certificates that `renew` says."""
    found = _settled(room, wish)
    made = material.make(room, found, wish, renew)
    wish = replace(wish, authority=made.fingerprint, former=made.former)
    proposal = Proposal(found, wish, plan.make(found, wish, made.server), made)
    if made.saved and proposal.plan.refusals and _prepared_by_hand(room, proposal):
        return replace(proposal, plan=Plan(folders=plan.missing_roots(found)))  # what we may do ourselves
    return proposal


def _prepared_by_hand(room: Room, proposal: Proposal) -> bool:
    """Whether all that is missing is our being root, and the door is as it should be already."""
    found, wish = proposal.facts, replace(proposal.wish, by_hand=True)
    if found.as_root or plan.make(found, wish, None).refusals:
        return False
    return all(one.verdict is not Verdict.FAILED for _, one in proof.run(room, proposal))


def _settled(room: Room, wish: Wish) -> Facts:
    """The facts, after what an earlier run of ours left unproved was taken back."""
    found = read(room, wish.roots, wish.endpoint)
    pending = found.pending
    if pending is not None and wish.owns(pending.owner, pending.client) and found.as_root:
        room.emit(Event("init.settling", "an earlier run did not end: that is settled first"))
        apply.settle(room.host, pending.id, room.emit)
        found = read(room, wish.roots, wish.endpoint)
        if found.last.get("result") == "committed":
            room.emit(Event("init.last", "it had been proved: its changes stay", dict(found.last)))
    if CA in found.files:
        room.store.promote(found.files[CA].content)
    _report_last(room, found, wish)
    return found


def _report_last(room: Room, found: Facts, wish: Wish) -> None:
    last = found.last
    ours = wish.owns(last.get("owner", ""), last.get("client", ""))
    if last.get("result") == "rolled-back" and ours:
        age = max(0, found.clock - int(last.get("at") or found.clock))
        text = f"the last change was taken back {age} s ago: {last.get('why', '')}"
        room.emit(Event("init.last", text, dict(last)))


def propose_undo(room: Room, wish: Wish) -> Proposal:
    """Read the host and plan to put it back as it was before devbox."""
    found = _settled(room, wish)
    known = manifest.read(found)
    wish = replace(wish, port=known.port if known else wish.port)
    return Proposal(found, wish, undo.make(found, wish))


def carry_out(room: Room, proposal: Proposal) -> Findings:
    """Apply the plan and prove it; on any doubt the host is put back and the reason raised."""
    plan = proposal.plan
    if proposal.material is not None:
        material.keep(room.store, proposal.material)
    if plan.empty:
        found = [*proof.run(room, proposal), *proof.compare(proposal, proposal.facts)]
        return proof.demand(room, found)
    identity = apply.identify(proposal.wish)
    try:
        apply.apply(room.host, plan, proposal.facts, identity, room.emit)
        if not (plan.changes or plan.restart):  # folders only: nothing to take back, nothing pending
            return proof.demand(room, proof.run(room, proposal))
        found = _proved(room, proposal)
        apply.commit(room.host, identity["id"], room.emit)
        room.store.promote()
    except ConnectionLost as error:
        raise _cut(error, proposal) from error
    except ScriptFailed:
        raise
    except (DevboxError, KeyboardInterrupt):
        room.emit(Event("init.back", "putting the host back as it was"))
        apply.settle(room.host, identity["id"], room.emit)
        raise
    return found


def _proved(room: Room, proposal: Proposal) -> Findings:
    """The proof after a change: the door, the containers that ran before, and no other way in."""
    wish, known = proposal.wish, manifest.read(proposal.facts)
    found = proof.run(room, proposal) if proposal.material else []
    if not proposal.material or (wish.endpoint is Endpoint.SSH and known):
        found += proof.closed(room, replace(wish, port=known.port if known else wish.port))
    proof.demand(room, found)
    if proposal.plan.stopping:
        proof.restart_containers(room, proposal)
    after = read(room, proposal.wish.roots, proposal.wish.endpoint)
    return [*found, *proof.demand(room, proof.compare(proposal, after))]


def _cut(error: ConnectionLost, proposal: Proposal) -> ConnectionLost:
    wish = proposal.wish
    return ConnectionLost(
        "the connection broke while the host was being changed",
        where=error.where,
        why=f"{error.why}; unproved changes are taken back by the host itself within {wish.deadline} s",
        next_steps=[f"devbox init {wish.host}   (takes them back at once and starts again)"],
    )
