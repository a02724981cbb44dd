"""Write down what a real server says of its commands: COMMAND INFO and COMMAND DOCS, one JSON line each.

    python -m compat.capture_commands --port 6379 > tests/reference/commands-7.0.jsonl

The tests compare our declarations with these facts. Prose (summaries, notes, complexity) is left out.

    python -m compat.capture_commands --port 6379 --names > docs/reference/redis-8.2.tsv

writes the names alone, each with its first version and its group: what docs/commands.md goes by.
"""

import argparse
import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

import hiredis

KEPT = ("name", "type", "token", "flags", "key_spec_index")


def ask(address: tuple[str, int], *words: str) -> Any:
    """One reply under RESP3, with str for bytes and sorted lists for sets."""
    reader = hiredis.Reader()
    with socket.create_connection(address) as connection:
        connection.sendall(f"HELLO 3\r\n{' '.join(words)}\r\n".encode())
        replies: list[Any] = []
        while len(replies) < 2:
            reader.feed(connection.recv(1 << 16))
            while (reply := reader.gets()) is not False:
                replies.append(reply)
    return _plain(replies[1])


def _plain(reply: Any) -> Any:
    if isinstance(reply, bytes):
        return reply.decode()
    if isinstance(reply, dict):
        return {_plain(name): _plain(value) for name, value in reply.items()}
    if isinstance(reply, (set, frozenset)):
        return sorted(_plain(one) for one in reply)
    if isinstance(reply, (list, tuple)):
        return [_plain(one) for one in reply]
    return reply


def argument(docs: dict[str, Any]) -> dict[str, Any]:
    """An argument as COMMAND DOCS tells it, without what only a reader of prose needs."""
    kept: dict[str, Any] = {name: docs[name] for name in KEPT if name in docs}
    if "arguments" in docs:
        kept["arguments"] = [argument(one) for one in docs["arguments"]]
    return kept


def commands(info: list[Any], docs: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The facts of each command, a container before its subcommands."""
    for name, arity, flags, first, last, step, categories, _tips, key_specs, subcommands in info:
        about = docs[name]
        yield {
            "name": name,
            "arity": arity,
            "flags": sorted(flags),
            "legacy_keys": [first, last, step],
            "acl": sorted(categories),
            "keys": [{part: spec[part] for part in spec if part != "notes"} for spec in key_specs],
            # Of commands of modules nothing is told.
            "since": about.get("since", ""),
            "group": about.get("group", ""),
            "arguments": [argument(one) for one in about.get("arguments", [])],
        }
        yield from commands(subcommands, about.get("subcommands", {}))


def main() -> None:
    """Ask the server and print the lines, sorted by name."""
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=6379)
    options.add_argument("--names", action="store_true", help="names, first versions and groups alone, as TSV")
    given = options.parse_args()
    address = (given.host, given.port)
    facts = commands(ask(address, "COMMAND"), ask(address, "COMMAND", "DOCS"))
    for one in sorted(facts, key=lambda fact: str(fact["name"])):
        if given.names:
            print(one["name"].lower(), one["since"], one["group"], sep="\t")
            continue
        json.dump(one, sys.stdout, separators=(",", ":"))
        sys.stdout.write("\n")


if __name__ == "__main__":
    main()
