"""INFO: its sections, and that its counters are true."""

import re

import pytest
from harness import Client, World
from real_redis import RealRedis

from respkv.server.info import SECTIONS, human
from respkv.server.persistence import Persistence

_ALLOCATOR = "of jemalloc, which has numbers of its own; here memory comes from the interpreter"
_BUILD = "of a C compiler"
_LOOP = "of Redis's event loop; a turn of the pump is no cycle of that"

LEFT_OUT = {
    **dict.fromkeys(
        (
            "allocator_active", "allocator_allocated", "allocator_frag_bytes", "allocator_frag_ratio",
            "allocator_muzzy", "allocator_resident", "allocator_rss_bytes", "allocator_rss_ratio",
            "rss_overhead_bytes", "rss_overhead_ratio",
        ),
        _ALLOCATOR,
    ),
    "atomicvar_api": _BUILD,
    "gcc_version": _BUILD,
    "eventloop_cycles": _LOOP,
    "eventloop_duration_sum": _LOOP,
    "eventloop_duration_cmd_sum": _LOOP,
    "instantaneous_eventloop_cycles_per_sec": _LOOP,
    "instantaneous_eventloop_duration_usec": _LOOP,
    "io_thread_0": "there are no I/O threads",
    "io_threaded_total_prefetch_batches": "there are no I/O threads",
    "io_threaded_total_prefetch_entries": "there are no I/O threads",
    "mem_replica_full_sync_buffer": "there are no replicas",
    "module": "there are no modules",
}  # fmt: skip
"""Fields of Redis that are not here, and why."""

CHANGING = ("cmdstat_", "errorstat_", "latency_percentiles", "db")


def fields(text: bytes) -> dict[str, str]:
    return dict(line.split(":", 1) for line in text.decode().split("\r\n") if ":" in line)


def ask(client: Client, *sections: str) -> dict[str, str]:
    return fields(client.run("INFO", *sections))


def missing(client: Client, theirs: bytes) -> set[str]:
    names = {name for name in fields(theirs) if not name.startswith(CHANGING)}
    assert names
    return names - ask(client, "everything").keys()


def test_it_has_the_fields_of_redis(client: Client, real_redis: RealRedis) -> None:
    assert missing(client, real_redis.call("INFO", "everything")) - LEFT_OUT.keys() == set()


def test_it_has_the_fields_of_redis_8(client: Client) -> None:
    from compat.servers import KINDS, ServerUnavailable, start

    try:
        with start(KINDS["redis8"]) as server, server.connect() as connection:
            theirs = connection.ask("INFO", "everything").text.encode()
    except ServerUnavailable as error:
        pytest.skip(str(error))
    # A server in process listens nowhere.
    assert missing(client, theirs) - {"listener0"} == {name for name in LEFT_OUT if f"\n{name}:".encode() in theirs}


@pytest.mark.parametrize("line", ["INFO", "INFO default", "INFO all", "INFO everything", "INFO server ALL",
                                  "INFO modules", "INFO module_list", "INFO keyspace nosuch SERVER",
                                  "INFO commandstats default", "INFO nosuch"])  # fmt: skip
def test_it_shows_the_sections_that_redis_shows(client: Client, real_redis: RealRedis, line: str) -> None:
    titles = re.compile(rb"^# .*$", re.MULTILINE)
    theirs = titles.findall(real_redis.call(*line.split()))
    assert titles.findall(client.run(*line.split())) == theirs


def test_sections_are_apart(client: Client) -> None:
    text = client.run("INFO cluster cpu").decode()
    assert re.fullmatch(r"# CPU\r\n(\w+:[^\r]*\r\n)+\r\n# Cluster\r\ncluster_enabled:0\r\n", text)


def test_what_clients_branch_on(client: Client) -> None:
    told = ask(client)
    assert told["redis_version"] == "7.4.0"
    assert told["redis_mode"] == "standalone"
    assert told["role"] == "master"
    assert told["loading"] == "0"
    assert told["respkv_build"] in ("compiled", "interpreted")
    assert told["maxmemory_policy"] == "noeviction"


def test_commands_are_counted(client: Client) -> None:
    client.run("CONFIG RESETSTAT")
    client.run("SET k v")
    client.raw(b"GET k\r\nGET missing\r\nINCR k\r\nINCR\r\n")
    client.error("GET")
    told = ask(client, "commandstats", "stats", "errorstats")
    assert re.match(r"calls=2,usec=\d+,usec_per_call=[\d.]+,rejected_calls=1,failed_calls=0$", told["cmdstat_get"])
    assert told["cmdstat_incr"].endswith("rejected_calls=1,failed_calls=1")
    # SET, GET twice, INCR, and RESETSTAT, which is counted only after it has reset; not INFO, which runs.
    assert told["total_commands_processed"] == "5"
    assert (told["keyspace_hits"], told["keyspace_misses"]) == ("1", "1")
    assert told["errorstat_ERR"] == "count=3"
    assert told["total_error_replies"] == "3"


def test_subcommands_are_counted_by_themselves(client: Client) -> None:
    client.run("CONFIG RESETSTAT")
    client.run("CONFIG GET timeout")
    told = ask(client, "commandstats")
    assert told["cmdstat_config|get"].startswith("calls=1,")
    assert "cmdstat_config" not in told


def test_a_command_by_itself_is_timed_once(client: Client) -> None:
    client.run("CONFIG RESETSTAT")
    client.run("PING")
    client.run("SET k v")
    told = ask(client, "latencystats", "commandstats")
    for name in ("ping", "set"):
        usec = int(re.search(r"usec=(\d+)", told[f"cmdstat_{name}"]).group(1))  # type: ignore[union-attr]
        p50_us = float(re.search(r"p50=([\d.]+)", told[f"latency_percentiles_usec_{name}"]).group(1))  # type: ignore[union-attr]
        assert abs(usec - p50_us) <= 1 + p50_us / 50
    assert told["latency_percentiles_usec_set"].count("=") == 3


def test_percentiles_are_named_as_config_shows_them(client: Client) -> None:
    client.run("CONFIG", "SET", "latency-tracking-info-percentiles", "50 99.9 33.33333333 1e-3 100")
    client.run("SET k v")
    names = re.findall(r"(p[\d.]+)=", ask(client, "latencystats")["latency_percentiles_usec_set"])
    assert names == ["p50", "p99.9", "p33.333333", "p0.001", "p100"]


def test_bytes_and_connections_are_counted(world: World, client: Client) -> None:
    client.run("CONFIG RESETSTAT")
    stats = world.server.stats
    before = stats.input_bytes
    client.raw(b"PING\r\n")
    assert stats.input_bytes - before == 6
    other = world.connect()
    told = ask(client, "stats", "clients")
    assert told["total_connections_received"] == "1"
    assert told["connected_clients"] == "2"
    other.close()
    assert ask(client, "clients")["connected_clients"] == "1"


def test_who_watches_and_who_waits(world: World, client: Client) -> None:
    client.run("WATCH a b")
    other = world.connect()
    other.raw(b"WAIT 1 1000\r\n")
    told = ask(client, "clients")
    assert told["watching_clients"] == "1"
    assert told["total_watched_keys"] == "2"
    assert told["blocked_clients"] == "1"
    assert told["clients_in_timeout_table"] == "1"


def test_the_keyspace(world: World, client: Client) -> None:
    assert ask(client, "keyspace") == {}
    client.run("SET a 1")
    client.run("SET b 1 PX 10000")
    client.run("SET c 1 PX 20000")
    client.run("SELECT 3")
    client.run("SET a 1")
    assert ask(client, "keyspace") == {
        "db0": "keys=3,expires=2,avg_ttl=15000,subexpiry=0",
        "db3": "keys=1,expires=0,avg_ttl=0,subexpiry=0",
    }


def test_memory_adds_up(client: Client) -> None:
    client.run("SET", "k", "x" * 5000)
    told = ask(client, "memory")
    assert int(told["used_memory_dataset"]) > 5000
    assert int(told["used_memory"]) == int(told["used_memory_dataset"]) + int(told["used_memory_overhead"])
    assert int(told["used_memory_peak"]) >= int(told["used_memory"])
    assert int(told["used_memory_rss"]) > 1_000_000
    client.run("CONFIG SET maxmemory 100mb maxmemory-policy allkeys-lru")
    told = ask(client, "memory")
    assert (told["maxmemory"], told["maxmemory_human"]) == ("104857600", "100.00M")
    assert told["maxmemory_policy"] == "allkeys-lru"


def test_persistence_follows_whoever_owns_the_files(world: World, client: Client) -> None:
    assert ask(client, "persistence")["aof_enabled"] == "0"
    disk = world.server.persistence = Persistence()
    disk.log_enabled = True
    disk.log_bytes = 1234
    disk.write_error = "No space left on device"
    disk.is_loading = True
    disk.loading_total_bytes = 200
    disk.loading_loaded_bytes = 50
    told = ask(client, "persistence")
    assert told["aof_enabled"] == "1"
    assert told["aof_current_size"] == "1234"
    assert told["aof_last_write_status"] == "err"
    assert (told["loading"], told["loading_loaded_perc"]) == ("1", "25.00")


def test_every_section_can_be_asked_for_alone(client: Client) -> None:
    for title in SECTIONS:
        assert client.run("INFO", title).startswith(f"# {title}\r\n".encode())


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1536 * 1024, "1.50M"), (2**40, "1.00T")]
)
def test_bytes_for_people(count: int, text: str) -> None:
    assert human(count) == text
