"""INFO: a table of sections, each a function from the server to its fields in order.

Field names are those of Redis 7.4, since monitoring reads them; what does not exist here (replicas, scripts, Redis's
allocator) is left out, or shown as the zero that it is where clients are known to look for it. Our own fields begin
with `respkv_`.
"""

import os
import platform
import sys
from collections.abc import Callable, Iterable
from itertools import chain, islice

from respkv import __version__
from respkv.build import BUILD
from respkv.commands.spec import every_spec
from respkv.engine.clock import unix_ms, unix_us
from respkv.engine.keyspace import Keyspace
from respkv.server import process
from respkv.server.banner import REDIS_VERSION
from respkv.server.clients import output_bytes, type_of
from respkv.server.config.kinds import show_percentile
from respkv.server.server import Server

Fields = dict[str, object]
Section = Callable[[Server], Fields]

TTL_SAMPLE = 200
"""How many expiries make up `avg_ttl`."""


def human(count: int) -> str:
    """Bytes for people: 1.50M."""
    if count < 1024:
        return f"{count}B"
    size = float(count)
    for unit in "KMGTP":
        size /= 1024
        if size < 1024:
            return f"{size:.2f}{unit}"
    return f"{size:.2f}E"


def server_fields(server: Server) -> Fields:
    """# Server."""
    config = server.config
    uptime_s = max(0, server.engine.now_ms - server.facts.started_ms) // 1000
    fields: Fields = {
        "redis_version": REDIS_VERSION,
        "redis_git_sha1": "00000000",
        "redis_git_dirty": 0,
        "redis_build_id": f"respkv-{__version__}",
        "redis_mode": "standalone",
        "respkv_version": __version__,
        "respkv_build": BUILD,
        "python_version": platform.python_version(),
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "arch_bits": 64 if sys.maxsize > 2**32 else 32,
        "monotonic_clock": "POSIX clock_gettime",
        "multiplexing_api": server.facts.multiplexing,
        "process_id": os.getpid(),
        "process_supervised": "no",
        "run_id": server.run_id,
        "tcp_port": config.port or config.tls_port,
        "server_time_usec": unix_us(),
        "uptime_in_seconds": uptime_s,
        "uptime_in_days": uptime_s // 86400,
        "hz": config.hz,
        "configured_hz": config.hz,
        "lru_clock": server.engine.now_ms // 1000 & 0xFFFFFF,
        "executable": sys.executable,
        "config_file": config.path or "",
        "io_threads_active": 0,
    }
    for number, listener in enumerate(server.facts.listeners):
        fields[f"listener{number}"] = listener
    return fields


def client_fields(server: Server) -> Fields:
    """# Clients."""
    sessions = server.sessions.values()
    awaited, awaited_gone = server.key_waiters.key_counts()
    return {
        "connected_clients": len(sessions),
        "cluster_connections": 0,
        "maxclients": server.config.maxclients,
        "client_recent_max_input_buffer": max((one.reader.pending_bytes() for one in sessions), default=0),
        "client_recent_max_output_buffer": max((output_bytes(one) for one in sessions), default=0),
        "blocked_clients": sum(one.is_blocked() for one in sessions),
        "tracking_clients": server.tracking.session_count,
        "pubsub_clients": server.pubsub.session_count,
        "watching_clients": sum(len(one.watcher.keys) > 0 for one in sessions),
        "clients_in_timeout_table": len(server.waiting),
        "total_watched_keys": sum(len(db.watched) for db in server.engine.databases),
        "total_blocking_keys": awaited,
        "total_blocking_keys_on_nokey": awaited_gone,
    }


def memory_fields(server: Server) -> Fields:
    """# Memory."""
    used = server.used_memory_bytes()
    peak = max(used, server.stats.peak_memory_bytes)
    resident = process.resident_bytes()
    data = server.meter.used_bytes()
    system = process.system_memory_bytes()
    limit = server.config.maxmemory
    log_buffer = server.persistence.log_buffer_bytes
    return {
        "used_memory": used,
        "used_memory_human": human(used),
        "used_memory_rss": resident,
        "used_memory_rss_human": human(resident),
        "used_memory_peak": peak,
        "used_memory_peak_human": human(peak),
        "used_memory_peak_time": server.stats.peak_memory_s,
        "used_memory_peak_perc": f"{_percent(used, peak):.2f}%",
        "used_memory_overhead": used - data,
        "used_memory_startup": 0,
        "used_memory_dataset": data,
        "used_memory_dataset_perc": f"{_percent(data, used):.2f}%",
        "total_system_memory": system,
        "total_system_memory_human": human(system),
        **_script_fields(server),
        "maxmemory": limit,
        "maxmemory_human": human(limit),
        "maxmemory_policy": server.config.maxmemory_policy,
        "mem_fragmentation_ratio": f"{resident / used if used else 0:.2f}",
        "mem_fragmentation_bytes": resident - used,
        "mem_not_counted_for_evict": log_buffer,
        "mem_replication_backlog": 0,
        "mem_total_replication_buffers": 0,
        "mem_clients_slaves": 0,
        "mem_clients_normal": server.client_bytes(),
        "mem_cluster_links": 0,
        "mem_aof_buffer": log_buffer,
        "mem_overhead_db_hashtable_rehashing": 0,
        "mem_allocator": process.allocator(),
        "active_defrag_running": 0,
        "lazyfree_pending_objects": sum(map(len, server.engine.discarded)),
        "lazyfreed_objects": server.engine.freed_later,
    }


def persistence_fields(server: Server) -> Fields:
    """# Persistence."""
    state = server.persistence
    now_s = unix_ms() // 1000
    fields: Fields = {
        "loading": int(state.is_loading),
        "async_loading": 0,
        "current_cow_peak": 0,
        "current_cow_size": 0,
        "current_cow_size_age": 0,
        "current_fork_perc": "0.00",
        "current_save_keys_processed": 0,
        "current_save_keys_total": 0,
        "rdb_changes_since_last_save": server.engine.changes,
        "rdb_bgsave_in_progress": int(state.is_saving),
        "rdb_last_save_time": state.last_save_s,
        "rdb_last_bgsave_status": _status(state.last_save_ok),
        "rdb_last_bgsave_time_sec": state.last_save_duration_s,
        "rdb_current_bgsave_time_sec": now_s - state.save_started_s if state.is_saving else -1,
        "rdb_saves": state.saves,
        "rdb_last_cow_size": 0,
        "rdb_last_load_keys_expired": 0,
        "rdb_last_load_keys_loaded": state.loaded_keys,
        "aof_enabled": int(state.log_enabled),
        "aof_rewrite_in_progress": int(state.is_rewriting),
        "aof_rewrite_scheduled": int(state.is_rewrite_scheduled),
        "aof_last_rewrite_time_sec": state.last_rewrite_duration_s,
        "aof_current_rewrite_time_sec": now_s - state.rewrite_started_s if state.is_rewriting else -1,
        "aof_last_bgrewrite_status": _status(state.last_rewrite_ok),
        "aof_rewrites": state.rewrites,
        "aof_rewrites_consecutive_failures": state.rewrite_failures_in_a_row,
        "aof_last_write_status": _status(not state.write_error),
        "aof_last_cow_size": 0,
        "module_fork_in_progress": 0,
        "module_fork_last_cow_size": 0,
    }
    if state.log_enabled:
        fields |= {
            "aof_current_size": state.log_bytes,
            "aof_base_size": state.log_base_bytes,
            "aof_pending_rewrite": 0,
            "aof_buffer_length": state.log_buffer_bytes,
            "aof_pending_bio_fsync": state.syncs_in_flight,
            "aof_delayed_fsync": state.delayed_syncs,
        }
    if state.is_loading:
        done, total = state.loading_loaded_bytes, state.loading_total_bytes
        elapsed_s = max(1, now_s - state.loading_started_s)
        fields |= {
            "loading_start_time": state.loading_started_s,
            "loading_total_bytes": total,
            "loading_rdb_used_mem": 0,
            "loading_loaded_bytes": done,
            "loading_loaded_perc": f"{_percent(done, total):.2f}",
            "loading_eta_seconds": (total - done) * elapsed_s // done if done else 1,
        }
    return fields


def stats_fields(server: Server) -> Fields:
    """# Stats."""
    stats = server.stats
    engine = server.engine
    return {
        "total_connections_received": stats.connections,
        "total_commands_processed": stats.commands(),
        "instantaneous_ops_per_sec": stats.command_rate.per_s(),
        "total_net_input_bytes": stats.input_bytes,
        "total_net_output_bytes": stats.output_bytes,
        "total_net_repl_input_bytes": 0,
        "total_net_repl_output_bytes": 0,
        "instantaneous_input_kbps": f"{stats.input_rate.per_s() / 1024:.2f}",
        "instantaneous_output_kbps": f"{stats.output_rate.per_s() / 1024:.2f}",
        "instantaneous_input_repl_kbps": "0.00",
        "instantaneous_output_repl_kbps": "0.00",
        "rejected_connections": stats.rejected_connections,
        "sync_full": server.persistence.transfers_begun,
        "sync_partial_ok": 0,
        "sync_partial_err": 0,
        "expired_subkeys": engine.expired_members,
        "expired_keys": engine.expired,
        "expired_stale_perc": f"{engine.expired_stale_percent:.2f}",
        "expired_time_cap_reached_count": engine.expired_time_cap_reached,
        "expire_cycle_cpu_milliseconds": 0,
        "evicted_keys": engine.evicted,
        "evicted_clients": stats.evicted_clients,
        "evicted_scripts": 0,
        "total_eviction_exceeded_time": 0,
        "current_eviction_exceeded_time": 0,
        "keyspace_hits": engine.hits,
        "keyspace_misses": engine.misses,
        "pubsub_channels": len(server.pubsub.channels),
        "pubsub_patterns": len(server.pubsub.patterns),
        "pubsubshard_channels": len(server.pubsub.shard_channels),
        "latest_fork_usec": 0,
        "total_forks": 0,
        "migrate_cached_sockets": 0,
        "slave_expires_tracked_keys": 0,
        "active_defrag_hits": 0,
        "active_defrag_misses": 0,
        "active_defrag_key_hits": 0,
        "active_defrag_key_misses": 0,
        "total_active_defrag_time": 0,
        "current_active_defrag_time": 0,
        "tracking_total_keys": len(server.tracking.keys),
        "tracking_total_items": server.tracking.item_count,
        "tracking_total_prefixes": len(server.tracking.prefixes),
        "unexpected_error_replies": 0,
        "total_error_replies": stats.error_replies,
        "dump_payload_sanitizations": 0,
        "total_reads_processed": stats.reads,
        "total_writes_processed": stats.writes,
        "io_threaded_reads_processed": 0,
        "io_threaded_writes_processed": 0,
        "client_query_buffer_limit_disconnections": stats.query_limit_disconnections,
        "client_output_buffer_limit_disconnections": stats.output_limit_disconnections,
        "reply_buffer_shrinks": 0,
        "reply_buffer_expands": 0,
        "acl_access_denied_auth": stats.denied_auths,
        "acl_access_denied_cmd": stats.denied_commands,
        "acl_access_denied_key": stats.denied_keys,
        "acl_access_denied_channel": stats.denied_channels,
    }


def replication_fields(server: Server) -> Fields:
    """# Replication. Who fetches a snapshot counts as a replica, as in Redis."""
    replicas = [one for one in server.sessions.values() if type_of(one) == b"replica"]
    fields: Fields = {"role": "master", "connected_slaves": len(replicas)}
    for number, one in enumerate(replicas):
        assert one.replica is not None
        state = "wait_bgsave" if one.replica.transfer is None else "send_bulk"
        host = one.replica.address.decode("latin-1") or one.address.rpartition(":")[0]
        fields[f"slave{number}"] = f"ip={host},port={one.replica.port},state={state},offset=0,lag=0"
    return fields | {
        "master_failover_state": "no-failover",
        "master_replid": server.replication_id,
        "master_replid2": "0" * 40,
        "master_repl_offset": 0,
        "second_repl_offset": -1,
        "repl_backlog_active": 0,
        "repl_backlog_size": server.config.get("repl-backlog-size"),
        "repl_backlog_first_byte_offset": 0,
        "repl_backlog_histlen": 0,
    }


def cpu_fields(server: Server) -> Fields:
    """# CPU."""
    times = process.cpu_times_s()
    return {name: f"{seconds:.6f}" for name, seconds in times.items()}


def module_fields(server: Server) -> Fields:
    """# Modules."""
    return {}


def command_fields(server: Server) -> Fields:
    """# Commandstats: commands that were called or refused."""
    fields: Fields = {}
    for spec in every_spec():
        if spec.calls or spec.failed_calls or spec.rejected_calls:
            usec = spec.nanoseconds // 1000
            per_call = usec / spec.calls if spec.calls else 0
            fields[f"cmdstat_{spec.name.decode()}"] = (
                f"calls={spec.calls},usec={usec},usec_per_call={per_call:.2f},"
                f"rejected_calls={spec.rejected_calls},failed_calls={spec.failed_calls}"
            )
    return fields


def error_fields(server: Server) -> Fields:
    """# Errorstats: error replies by their code."""
    errors = sorted(server.stats.errors.items())
    return {f"errorstat_{code.decode('latin-1')}": f"count={count}" for code, count in errors}


def latency_fields(server: Server) -> Fields:
    """# Latencystats: percentiles of commands that were timed."""
    if not server.tracks_latency:
        return {}
    percents = server.config.latency_tracking_info_percentiles
    fields: Fields = {}
    for spec in every_spec():
        if spec.histogram.count():
            times = zip(percents, spec.histogram.percentiles_us(percents), strict=True)
            name = f"latency_percentiles_usec_{spec.name.decode()}"
            fields[name] = ",".join(f"p{show_percentile(percent).decode()}={time_us:.3f}" for percent, time_us in times)
    return fields


def cluster_fields(server: Server) -> Fields:
    """# Cluster."""
    return {"cluster_enabled": 0}


def keyspace_fields(server: Server) -> Fields:
    """# Keyspace: databases that hold keys."""
    fields: Fields = {}
    for db in server.engine.databases:
        keys = db.size()
        if keys:
            fields[f"db{db.index}"] = (
                f"keys={keys},expires={db.expiring_size()},avg_ttl={average_ttl_ms(db)},subexpiry=0"
            )
    return fields


def average_ttl_ms(db: Keyspace) -> int:
    """What is left to the keys that have an expiry, on average over a sample; 0 without such keys."""
    moments = list(islice(chain.from_iterable(shard.expires.values() for shard in db.shards), TTL_SAMPLE))
    if not moments:
        return 0
    return max(0, sum(moments) // len(moments) - db.engine.now_ms)


SECTIONS: dict[str, Section] = {
    "Server": server_fields,
    "Clients": client_fields,
    "Memory": memory_fields,
    "Persistence": persistence_fields,
    "Stats": stats_fields,
    "Replication": replication_fields,
    "CPU": cpu_fields,
    "Modules": module_fields,
    "Commandstats": command_fields,
    "Errorstats": error_fields,
    "Latencystats": latency_fields,
    "Cluster": cluster_fields,
    "Keyspace": keyspace_fields,
}
"""In the order in which INFO shows them."""

EXTRA = frozenset(("commandstats", "latencystats"))
"""Sections that INFO shows only when asked for."""


def info(server: Server, names: Iterable[str]) -> str:
    """The text of INFO for the sections `names`, in any case; of the usual ones if there are none."""
    wanted = {name.lower() for name in names} or {"default"}
    if "module_list" in wanted:
        wanted.add("modules")
    every = not wanted.isdisjoint(("all", "everything"))
    parts = []
    for title, section in SECTIONS.items():
        name = title.lower()
        if every or name in wanted or ("default" in wanted and name not in EXTRA):
            lines = [f"# {title}", *(f"{field}:{value}" for field, value in section(server).items())]
            parts.append("".join(f"{line}\r\n" for line in lines))
    return "\r\n".join(parts)


def _script_fields(server: Server) -> Fields:
    scripting = server.scripting
    libraries = server.engine.libraries
    # There is one interpreter for scripts and functions.
    interpreter = scripting.memory_bytes()
    scripts = scripting.cache.memory_bytes()
    functions = libraries.payload_bytes()
    return {
        "used_memory_lua": interpreter,
        "used_memory_vm_eval": interpreter,
        "used_memory_lua_human": human(interpreter),
        "used_memory_scripts_eval": scripts,
        "number_of_cached_scripts": len(scripting.cache),
        "number_of_functions": scripting.functions.count(),
        "number_of_libraries": len(libraries.texts),
        "used_memory_vm_functions": 0,
        "used_memory_vm_total": interpreter,
        "used_memory_vm_total_human": human(interpreter),
        "used_memory_functions": functions,
        "used_memory_scripts": scripts + functions,
        "used_memory_scripts_human": human(scripts + functions),
    }


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _status(ok: bool) -> str:
    return "ok" if ok else "err"
