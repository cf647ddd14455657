"""What devbox remembers of its own doing in PyCharm's files."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from devbox.pycharm.records import Ours, Record
from devbox.pycharm.splice import Form
from devbox.pycharm.store import Change, write

FORMAT = 1


@dataclass(slots=True)
class Memory:
    """What devbox remembers of its own doing, per folder (the project, each IDE), outside of all of them."""

    path: Path
    places: dict[str, dict[str, Ours]] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> Memory:
        """Read it; none yet, or one of another format, is an empty memory."""
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return cls(path)
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            return cls(path)
        places = {
            place: {name: _ours(entry) for name, entry in files.items()}
            for place, files in data["places"].items()
        }
        return cls(path, places, data["facts"])

    def of(self, folder: Path) -> dict[str, Ours]:
        return self.places.get(str(folder), {})

    def note(self, folder: Path, changes: Iterable[Change]) -> None:
        """Remember what these changes left of ours in a folder, and write it down."""
        left = dict(self.of(folder))
        for change in changes:
            left.pop(change.name, None)
            if change.ours.records or change.ours.declined:
                left[change.name] = change.ours
        self.places.pop(str(folder), None)
        if left:
            self.places[str(folder)] = left
        self.save()

    def save(self) -> None:
        places = {
            place: {name: _entry(ours) for name, ours in files.items()}
            for place, files in self.places.items()
        }
        data = {"format": FORMAT, "places": places, "facts": self.facts}
        write(self.path, json.dumps(data, indent=1).encode())


def _entry(ours: Ours) -> dict[str, Any]:
    return {
        "created": ours.created,
        "records": [asdict(record) for record in ours.records.values()],
        "declined": [[list(path), want] for path, want in ours.declined.items()],
    }


def _ours(entry: Mapping[str, Any]) -> Ours:
    records = {}
    for item in entry["records"]:
        form = Form(**item["form"]) if item["form"] else None
        path = tuple(item["path"])
        records[path] = Record(path, item["wrote"], item["was"], form)
    declined = {tuple(path): want for path, want in entry.get("declined", [])}
    return Ours(records, entry["created"], declined)
