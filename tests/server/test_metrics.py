"""Metrics: the names are those of redis_exporter, the numbers those of INFO."""

import re
from pathlib import Path

import pytest
from harness import Client, World

pytest.importorskip("prometheus_client")

from prometheus_client.parser import text_string_to_metric_families

from respkv.server.metrics import COUNTERS, GAUGES, exposition

DOCS = Path(__file__).parents[2] / "docs"

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def scrape(world: World) -> Samples:
    text = exposition(world.server).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def info(client: Client) -> dict[str, str]:
    return dict(line.split(":", 1) for line in client.run("INFO everything").decode().split("\r\n") if ":" in line)


def test_numbers_are_those_of_info(world: World, client: Client) -> None:
    for line in ("SET a 1", "GET a", "GET missing", "SET b 2 EX 100", "LPUSH a 1", "NOSUCH"):
        client.run(line)
    told = info(client)
    seen = scrape(world)
    for field in ("used_memory_dataset", "connected_clients", "maxclients", "aof_enabled", "total_system_memory"):
        assert seen[f"redis_{GAUGES[field]}", ()] == float(told[field])
    for field in ("keyspace_hits", "keyspace_misses", "total_error_replies", "expired_keys", "total_net_input_bytes"):
        assert seen[f"redis_{COUNTERS[field]}_total", ()] == float(told[field])
    assert seen["redis_up", ()] == 1
    assert seen["redis_rdb_last_bgsave_status", ()] == 1
    assert seen["redis_db_keys", (("db", "db0"),)] == 2
    assert seen["redis_db_keys_expiring", (("db", "db0"),)] == 1
    assert seen["redis_db_keys", (("db", "db15"),)] == 0
    assert seen["redis_db_avg_ttl_seconds", (("db", "db0"),)] == 100
    assert ("redis_db_avg_ttl_seconds", (("db", "db1"),)) not in seen
    assert seen["redis_errors_total", (("err", "WRONGTYPE"),)] >= 1


def test_commands_are_told_apart(world: World, client: Client) -> None:
    client.run("CONFIG RESETSTAT")
    client.run("SET a 1")
    client.run("LPUSH a 1")
    client.run("CONFIG GET port")
    client.error("GET")
    seen = scrape(world)
    assert seen["redis_commands_total", (("cmd", "set"),)] == 1
    assert seen["redis_commands_total", (("cmd", "config|get"),)] == 1
    assert seen["redis_commands_duration_seconds_total", (("cmd", "set"),)] > 0
    assert seen["redis_commands_failed_calls_total", (("cmd", "lpush"),)] == 1
    assert seen["redis_commands_rejected_calls_total", (("cmd", "get"),)] == 1
    assert seen["redis_latency_percentiles_usec", (("cmd", "set"), ("quantile", "0.5"))] > 0
    assert seen["redis_latency_percentiles_usec", (("cmd", "set"), ("quantile", "0.999"))] > 0


def test_which_server_it_is_is_in_labels(world: World, client: Client) -> None:
    (labels,) = [dict(labels) for name, labels in scrape(world) if name == "redis_instance_info"]
    told = info(client)
    assert labels == {name: told[name] for name in labels}
    assert labels["role"] == "master"


def test_slow_commands_and_spikes(world: World, client: Client) -> None:
    assert ("redis_slowlog_last_id", ()) not in scrape(world)
    client.run("CONFIG SET slowlog-log-slower-than 0")
    client.run("PING")
    world.server.latency.threshold_ms = 1
    world.server.latency.note(b"command", 250, 1_700_000_000)
    seen = scrape(world)
    assert seen["redis_slowlog_length", ()] >= 1
    assert seen["redis_last_slow_execution_duration_seconds", ()] >= 0
    assert seen["redis_latency_spike_duration_seconds", (("event_name", "command"),)] == 0.25
    assert seen["redis_latency_spike_last", (("event_name", "command"),)] == 1_700_000_000


def test_a_name_that_a_client_made_up_is_escaped(world: World, client: Client) -> None:
    world.server.count_error(b'A"\n\\ text')
    assert scrape(world)["redis_errors_total", (("err", 'A"\n\\'),)] == 1


def test_every_metric_is_documented(world: World, client: Client) -> None:
    client.run("SET a 1")
    documented = set(re.findall(r"`((?:redis|respkv)_\w+)", (DOCS / "metrics.md").read_text(encoding="utf-8")))
    names = {name for name, _ in scrape(world)}
    assert names - documented == set()
