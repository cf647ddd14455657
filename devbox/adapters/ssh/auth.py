"""Letting ourselves in: keys, certificates, and what a server asks a person for. What was tried is told."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import paramiko

from devbox.adapters.ssh.keys import Agent, Candidate, Unusable, candidates
from devbox.adapters.ssh.resolve import Target
from devbox.adapters.ssh.wire import Wire
from devbox.errors import AuthError, ConnectionLost
from devbox.ports.ask import Ask

_PASSWORD_TRIES = 3
_AUTH_TIMEOUT = 60.0


@dataclass(slots=True)
class _Attempt:
    """One authentication under way. `allowed` is what the server would still take, once it has said so."""

    wire: Wire
    target: Target
    ask: Ask
    tried: list[str] = field(default_factory=list)
    fixes: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=list)

    @property
    def done(self) -> bool:
        return self.wire.is_authenticated()


def authenticate(wire: Wire, target: Target, ask: Ask) -> None:
    """Authenticate as the target's user, or raise an `AuthError` that lists what was tried."""
    wire.auth_timeout = _AUTH_TIMEOUT
    attempt = _Attempt(wire, target, ask)
    try:
        _keys(attempt)
        if not attempt.done:
            _none(attempt)
        if not attempt.done:
            _typed(attempt)
    except (paramiko.SSHException, EOFError, OSError) as error:
        if wire.is_active():
            raise _refused(attempt, str(error)) from error
        raise _ended(attempt, str(error)) from error
    if not attempt.done:
        raise _refused(attempt, "the host accepted none of it")


@contextlib.contextmanager
def _agent(target: Target) -> Iterator[Agent | None]:
    try:
        agent = Agent(target.agent) if target.agent else None
    except (OSError, paramiko.SSHException):
        agent = None
    try:
        yield agent
    finally:
        if agent:
            agent.close()


def _keys(attempt: _Attempt) -> None:
    with _agent(attempt.target) as agent:
        for candidate in candidates(attempt.target, agent, attempt.ask):
            if isinstance(candidate, Unusable):
                attempt.tried.append(f"{candidate.label} ({candidate.why})")
                attempt.fixes += [candidate.fix] if candidate.fix else []
            elif _key(attempt, candidate):
                return


def _key(attempt: _Attempt, candidate: Candidate) -> bool:
    """Whether this key settled it: accepted, or accepted as the first of several factors."""
    try:
        rest = attempt.wire.auth_publickey(attempt.target.address.user, candidate.key)
    except paramiko.BadAuthenticationType as error:
        attempt.allowed = list(error.allowed_types)
        attempt.tried.append(f"{candidate.label} (the host takes no keys)")
        return True
    except paramiko.AuthenticationException:
        attempt.tried.append(f"{candidate.label} (refused)")
        if not attempt.wire.is_active():
            raise
        return False
    except paramiko.SSHException as error:  # the agent would not sign, or no common signature algorithm
        if not attempt.wire.is_active():
            raise
        attempt.tried.append(f"{candidate.label} ({error})")
        return False
    attempt.allowed = list(rest)
    if rest:
        attempt.tried.append(f"{candidate.label} (accepted, more is wanted)")
    return True


def _none(attempt: _Attempt) -> None:
    """Ask what the server would take; some let people in here (RFC 4252 5.2)."""
    if attempt.allowed:
        return
    try:
        attempt.wire.auth_none(attempt.target.address.user)
    except paramiko.BadAuthenticationType as error:
        attempt.allowed = list(error.allowed_types)


def _typed(attempt: _Attempt) -> None:
    """What only a person can give: one-time codes and passwords, typed without echo."""
    user = attempt.target.address.user
    for _ in range(_PASSWORD_TRIES):
        try:
            if "keyboard-interactive" in attempt.allowed:
                attempt.wire.auth_interactive(user, lambda *asked: _answer(attempt, *asked))
            elif "password" in attempt.allowed:
                secret = attempt.ask.secret(f"Password of {attempt.target.address}: ")
                if secret is None:
                    return
                attempt.wire.auth_password(user, secret, fallback=False)
            return
        except _NobodyThere:
            return
        except paramiko.AuthenticationException:
            attempt.tried.append("what was typed (refused)")
            if not attempt.wire.is_active():
                raise


class _NobodyThere(paramiko.SSHException):
    """A question of the server that nobody answered."""


def _answer(attempt: _Attempt, title: str, instructions: str, fields: list[tuple[str, bool]]) -> list[str]:
    answers = []
    for prompt, _echo in fields:
        secret = attempt.ask.secret(f"{attempt.target.address}: {prompt}")
        if secret is None:
            raise _NobodyThere(prompt)
        answers.append(secret)
    return answers


def _refused(attempt: _Attempt, why: str) -> AuthError:
    address = attempt.target.address
    tried = "; ".join(attempt.tried) or "no key was found to try"
    takes = f"; the host takes: {', '.join(attempt.allowed)}" if attempt.allowed else ""
    return AuthError(
        f"the host does not let {address.user} in",
        where=str(address),
        why=f"{why.rstrip('.')}; tried: {tried}{takes}",
        next_steps=[
            *attempt.fixes,
            f"ssh -v {address.name}   (what OpenSSH tries)",
            f"ssh-copy-id {address.name}   (when you have the password)",
        ],
    )


def _ended(attempt: _Attempt, why: str) -> AuthError | ConnectionLost:
    """The host hung up: too many keys (MaxAuthTries), or the line is gone."""
    if attempt.tried:
        error = _refused(attempt, "the host hung up after too many keys")
        error.next_steps = (
            "set IdentityFile and `IdentitiesOnly yes` for it in ~/.ssh/config",
            *error.next_steps,
        )
        return error
    return ConnectionLost(
        "the host hung up during authentication",
        where=str(attempt.target.address),
        why=why or "end of stream",
    )
