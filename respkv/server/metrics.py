"""Metrics for Prometheus, under the names that redis_exporter gives them, so that its dashboards and alerts work.

Everything comes from the sections of INFO (`respkv.server.info`): a number has one home, and two ways to be read.
The names were taken from redis_exporter's README and metric tables; docs/metrics.md lists those that are here.

This module needs the prometheus-client package, and is imported only where `metrics-port` is set.
"""

import re
from collections.abc import Iterator

from prometheus_client import generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric

from respkv import __version__
from respkv.build import BUILD
from respkv.commands.spec import every_spec
from respkv.server import info
from respkv.server.info import Fields
from respkv.server.server import Server

DATABASES_SHOWN = 16
"""So many databases are shown even when they are empty; others only when they hold keys."""

GAUGES: dict[str, str] = {
    # Server and clients.
    "uptime_in_seconds": "uptime_in_seconds",
    "process_id": "process_id",
    "connected_clients": "connected_clients",
    "blocked_clients": "blocked_clients",
    "maxclients": "config_maxclients",
    "tracking_clients": "tracking_clients",
    "pubsub_clients": "pubsub_clients",
    "watching_clients": "watching_clients",
    "clients_in_timeout_table": "clients_in_timeout_table",
    "total_watched_keys": "total_watched_keys",
    "total_blocking_keys": "total_blocking_keys",
    "total_blocking_keys_on_nokey": "total_blocking_keys_on_nokey",
    "client_recent_max_input_buffer": "client_recent_max_input_buffer_bytes",
    "client_recent_max_output_buffer": "client_recent_max_output_buffer_bytes",
    # Memory.
    "used_memory": "memory_used_bytes",
    "used_memory_rss": "memory_used_rss_bytes",
    "used_memory_peak": "memory_used_peak_bytes",
    "used_memory_lua": "memory_used_lua_bytes",
    "used_memory_vm_eval": "memory_used_vm_eval_bytes",
    "used_memory_vm_functions": "memory_used_vm_functions_bytes",
    "used_memory_vm_total": "memory_used_vm_total",
    "used_memory_functions": "memory_used_functions_bytes",
    "used_memory_scripts": "memory_used_scripts_bytes",
    "used_memory_scripts_eval": "memory_used_scripts_eval_bytes",
    "number_of_cached_scripts": "number_of_cached_scripts",
    "number_of_functions": "number_of_functions",
    "number_of_libraries": "number_of_libraries",
    "used_memory_overhead": "memory_used_overhead_bytes",
    "used_memory_startup": "memory_used_startup_bytes",
    "used_memory_dataset": "memory_used_dataset_bytes",
    "total_system_memory": "total_system_memory_bytes",
    "maxmemory": "memory_max_bytes",
    "mem_fragmentation_ratio": "mem_fragmentation_ratio",
    "mem_fragmentation_bytes": "mem_fragmentation_bytes",
    "mem_clients_slaves": "mem_clients_slaves",
    "mem_clients_normal": "mem_clients_normal",
    "mem_cluster_links": "mem_cluster_links_bytes",
    "mem_aof_buffer": "mem_aof_buffer_bytes",
    "mem_replication_backlog": "mem_replication_backlog_bytes",
    "mem_not_counted_for_evict": "mem_not_counted_for_eviction_bytes",
    "lazyfree_pending_objects": "lazyfree_pending_objects",
    "active_defrag_running": "active_defrag_running",
    # Persistence.
    "loading": "loading_dump_file",
    "async_loading": "async_loading",
    "rdb_changes_since_last_save": "rdb_changes_since_last_save",
    "rdb_bgsave_in_progress": "rdb_bgsave_in_progress",
    "rdb_last_save_time": "rdb_last_save_timestamp_seconds",
    "rdb_last_bgsave_status": "rdb_last_bgsave_status",
    "rdb_last_bgsave_time_sec": "rdb_last_bgsave_duration_sec",
    "rdb_current_bgsave_time_sec": "rdb_current_bgsave_duration_sec",
    "rdb_saves": "rdb_saves_total",
    "rdb_last_cow_size": "rdb_last_cow_size_bytes",
    "rdb_last_load_keys_expired": "rdb_last_load_expired_keys",
    "rdb_last_load_keys_loaded": "rdb_last_load_loaded_keys",
    "aof_enabled": "aof_enabled",
    "aof_rewrite_in_progress": "aof_rewrite_in_progress",
    "aof_rewrite_scheduled": "aof_rewrite_scheduled",
    "aof_last_rewrite_time_sec": "aof_last_rewrite_duration_sec",
    "aof_current_rewrite_time_sec": "aof_current_rewrite_duration_sec",
    "aof_last_cow_size": "aof_last_cow_size_bytes",
    "aof_current_size": "aof_current_size_bytes",
    "aof_base_size": "aof_base_size_bytes",
    "aof_pending_rewrite": "aof_pending_rewrite",
    "aof_buffer_length": "aof_buffer_length",
    "aof_pending_bio_fsync": "aof_pending_bio_fsync",
    "aof_delayed_fsync": "aof_delayed_fsync",
    "aof_last_bgrewrite_status": "aof_last_bgrewrite_status",
    "aof_last_write_status": "aof_last_write_status",
    # Stats that are no counters.
    "instantaneous_ops_per_sec": "instantaneous_ops_per_sec",
    "instantaneous_input_kbps": "instantaneous_input_kbps",
    "instantaneous_output_kbps": "instantaneous_output_kbps",
    "expired_stale_perc": "expired_stale_percentage",
    "expired_time_cap_reached_count": "expired_time_cap_reached_total",
    "pubsub_channels": "pubsub_channels",
    "pubsub_patterns": "pubsub_patterns",
    "pubsubshard_channels": "pubsubshard_channels",
    "latest_fork_usec": "latest_fork_usec",
    "tracking_total_keys": "tracking_total_keys",
    "tracking_total_items": "tracking_total_items",
    "tracking_total_prefixes": "tracking_total_prefixes",
    # Replication and cluster.
    "connected_slaves": "connected_slaves",
    "repl_backlog_size": "replication_backlog_bytes",
    "repl_backlog_active": "repl_backlog_is_active",
    "repl_backlog_first_byte_offset": "repl_backlog_first_byte_offset",
    "repl_backlog_histlen": "repl_backlog_history_bytes",
    "master_repl_offset": "master_repl_offset",
    "second_repl_offset": "second_repl_offset",
    "sync_full": "replica_resyncs_full",
    "sync_partial_ok": "replica_partial_resync_accepted",
    "sync_partial_err": "replica_partial_resync_denied",
    "cluster_enabled": "cluster_enabled",
}
"""Field of INFO -> metric, without `redis_`."""

COUNTERS: dict[str, str] = {
    "total_connections_received": "connections_received",
    "total_commands_processed": "commands_processed",
    "rejected_connections": "rejected_connections",
    "total_net_input_bytes": "net_input_bytes",
    "total_net_output_bytes": "net_output_bytes",
    "total_reads_processed": "total_reads_processed",
    "total_writes_processed": "total_writes_processed",
    "total_error_replies": "total_error_replies",
    "unexpected_error_replies": "unexpected_error_replies",
    "expired_keys": "expired_keys",
    "expired_subkeys": "expired_subkeys",
    "evicted_keys": "evicted_keys",
    "evicted_clients": "evicted_clients",
    "keyspace_hits": "keyspace_hits",
    "keyspace_misses": "keyspace_misses",
    "lazyfreed_objects": "lazyfreed_objects",
    "client_query_buffer_limit_disconnections": "client_query_buffer_limit_disconnections",
    "client_output_buffer_limit_disconnections": "client_output_buffer_limit_disconnections",
    "acl_access_denied_auth": "acl_access_denied_auth",
    "acl_access_denied_cmd": "acl_access_denied_cmd",
    "acl_access_denied_key": "acl_access_denied_key",
    "acl_access_denied_channel": "acl_access_denied_channel",
    "used_cpu_sys": "cpu_sys_seconds",
    "used_cpu_user": "cpu_user_seconds",
    "used_cpu_sys_children": "cpu_sys_children_seconds",
    "used_cpu_user_children": "cpu_user_children_seconds",
    "used_cpu_sys_main_thread": "cpu_sys_main_thread_seconds",
    "used_cpu_user_main_thread": "cpu_user_main_thread_seconds",
}
"""Field of INFO -> metric, without `redis_` and `_total`."""

_SECTIONS = (
    info.server_fields,
    info.client_fields,
    info.memory_fields,
    info.persistence_fields,
    info.stats_fields,
    info.replication_fields,
    info.cpu_fields,
    info.cluster_fields,
)

_INSTANCE = (
    "role",
    "redis_version",
    "redis_build_id",
    "redis_mode",
    "os",
    "maxmemory_policy",
    "tcp_port",
    "run_id",
    "process_id",
)


class Collector:
    """The metrics of `server`, as prometheus-client wants them."""

    def __init__(self, server: Server) -> None:
        self.server = server

    def collect(self) -> Iterator[Metric]:
        """All of them. O(commands + clients)."""
        server = self.server
        fields: Fields = {}
        for section in _SECTIONS:
            fields |= section(server)
        yield _gauge("up", "Whether the server answers.", 1)
        yield _instance(fields)
        yield _labelled("respkv_build_info", "The build that runs.", ("version", "build"), [((__version__, BUILD), 1)])
        yield _gauge("start_time_seconds", "When the server started, unix time.", server.facts.started_ms // 1000)
        yield _gauge("config_maxmemory", "The directive maxmemory.", server.config.maxmemory)
        for field, name in GAUGES.items():
            if field in fields:
                yield _gauge(name, f"{field} of INFO.", _number(fields[field]))
        for field, name in COUNTERS.items():
            if field in fields:
                yield CounterMetricFamily(f"redis_{name}", f"{field} of INFO.", value=_number(fields[field]))
        yield from _of_databases(server)
        yield from _of_commands(server)
        yield from _of_slow_ones(server)


def exposition(server: Server) -> bytes:
    """All metrics of `server` in Prometheus's text format."""
    return generate_latest(Collector(server))


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"redis_{name}", text, value=value)


def _labelled(
    name: str, text: str, labels: tuple[str, ...], samples: list[tuple[tuple[str, ...], float]]
) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, value)
    return family


def _number(value: object) -> float:
    if value == "ok":
        return 1
    if value == "err":
        return 0
    return float(str(value))


def _instance(fields: Fields) -> Metric:
    values = tuple(str(fields.get(label, "")) for label in _INSTANCE)
    return _labelled("redis_instance_info", "Which server this is.", _INSTANCE, [(values, 1)])


_KEYSPACE = re.compile(r"keys=(\d+),expires=(\d+),avg_ttl=(\d+)")


def _of_databases(server: Server) -> Iterator[Metric]:
    told: dict[str, tuple[int, int, int]] = {
        f"db{index}": (0, 0, 0) for index in range(min(DATABASES_SHOWN, server.engine.database_count))
    }
    for name, text in info.keyspace_fields(server).items():
        found = _KEYSPACE.match(str(text))
        assert found is not None
        told[name] = (int(found[1]), int(found[2]), int(found[3]))
    keys = GaugeMetricFamily("redis_db_keys", "Keys of a database.", labels=("db",))
    expiring = GaugeMetricFamily("redis_db_keys_expiring", "Keys of a database that expire.", labels=("db",))
    ttl = GaugeMetricFamily("redis_db_avg_ttl_seconds", "What those have left, on average.", labels=("db",))
    for name, (count, expires, ttl_ms) in told.items():
        keys.add_metric((name,), count)
        expiring.add_metric((name,), expires)
        if expires:
            ttl.add_metric((name,), ttl_ms / 1000)
    yield keys
    yield expiring
    yield ttl


def _of_commands(server: Server) -> Iterator[Metric]:
    calls = CounterMetricFamily("redis_commands", "Calls of a command.", labels=("cmd",))
    seconds = CounterMetricFamily("redis_commands_duration_seconds", "Time that a command took.", labels=("cmd",))
    rejected = CounterMetricFamily("redis_commands_rejected_calls", "Calls that were refused.", labels=("cmd",))
    failed = CounterMetricFamily("redis_commands_failed_calls", "Calls that ended in an error.", labels=("cmd",))
    percentiles = GaugeMetricFamily(
        "redis_latency_percentiles_usec", "What calls took, of those timed.", labels=("cmd", "quantile")
    )
    percents = server.config.latency_tracking_info_percentiles if server.tracks_latency else ()
    for spec in every_spec():
        if not (spec.calls or spec.failed_calls or spec.rejected_calls):
            continue
        label = (spec.name.decode(),)
        calls.add_metric(label, spec.calls)
        seconds.add_metric(label, spec.nanoseconds / 1e9)
        rejected.add_metric(label, spec.rejected_calls)
        failed.add_metric(label, spec.failed_calls)
        # None where no call was timed by itself.
        for percent, time_us in zip(percents, spec.histogram.percentiles_us(percents), strict=False):
            percentiles.add_metric((*label, f"{percent / 100:.12g}"), time_us)
    yield from (calls, seconds, rejected, failed, percentiles)
    errors = CounterMetricFamily("redis_errors", "Error replies by their code.", labels=("err",))
    for code, count in server.stats.errors.items():
        errors.add_metric((code.decode("latin-1"),), count)
    yield errors


def _of_slow_ones(server: Server) -> Iterator[Metric]:
    newest = server.slowlog.newest(1)
    yield _gauge("slowlog_length", "Entries of the slow log.", len(server.slowlog))
    if newest:
        yield _gauge("slowlog_last_id", "The newest entry of the slow log.", newest[0].number)
        yield _gauge(
            "last_slow_execution_duration_seconds", "What that command took.", newest[0].duration_us / 1_000_000
        )
    last = GaugeMetricFamily("redis_latency_spike_last", "When an event took too long.", labels=("event_name",))
    took = GaugeMetricFamily("redis_latency_spike_duration_seconds", "What it took.", labels=("event_name",))
    for name, event in server.latency.events.items():
        at_s, duration_ms = event.samples[-1]
        last.add_metric((name.decode(),), at_s)
        took.add_metric((name.decode(),), duration_ms / 1000)
    yield last
    yield took
