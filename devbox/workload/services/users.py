"""The user service: who may order."""

from __future__ import annotations

from devbox.workload.failures import NotFound, Refused
from devbox.workload.services.values import User
from devbox.workload.store import Row, Store

SCHEMA = """
CREATE TABLE IF NOT EXISTS users (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, email TEXT NOT NULL, account TEXT NOT NULL,
    active INTEGER NOT NULL
);
"""

_FIRST_NAMES = (
    "Ada",
    "Grace",
    "Edsger",
    "Barbara",
    "Donald",
    "Frances",
    "Alan",
    "Radia",
    "Dennis",
    "Margaret",
)


class Users:
    """Finds users."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def populate(self, count: int) -> None:
        """Make users `u1` to `u<count>` where they are missing; the last one is not active."""
        with self._store.write() as change:
            for number in range(1, count + 1):
                account = f"account-{number}"
                name = _FIRST_NAMES[(number - 1) % len(_FIRST_NAMES)]
                change.run(
                    "INSERT INTO users VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
                    f"u{number}", name, f"{name.lower()}{number}@example.org", account, int(number < count),
                )  # fmt: skip

    def find(self, user: str) -> User:
        """The user of that id; `NotFound` when there is none, `Refused` when the user may not order."""
        found = self._load(user)
        self._check_active(found)
        return found

    def active(self) -> list[User]:
        """All users that may order."""
        return [
            self._from(row)
            for row in self._store.rows("SELECT * FROM users WHERE active = 1 ORDER BY length(id), id")
        ]

    def _load(self, user: str) -> User:
        row = self._store.row("SELECT * FROM users WHERE id = ?", user)
        if row is None:
            raise NotFound(f"no user {user}")
        return self._from(row)

    def _check_active(self, user: User) -> None:
        if not user.active:
            raise Refused(f"user {user.id} is not active")

    @staticmethod
    def _from(row: Row) -> User:
        return User(**{**row, "active": bool(row["active"])})
