"""CLUSTER and the commands of clients that think they talk to a cluster: what Redis answers without cluster support.

They are declared so that COMMAND tells of them, arity is checked first, and a client that probes for a cluster gets the
error that it knows instead of an unknown command.
"""

from respkv.commands.flags import ADMIN, FAST, LOADING, NO_ASYNC_LOADING, NOSCRIPT, STALE
from respkv.commands.spec import CommandGroup
from respkv.errors import ReplyError
from respkv.reply import Reply
from respkv.server.session import Session

command = CommandGroup("cluster", __name__, session=True)

_CHANGES = ADMIN | NO_ASYNC_LOADING | STALE
_VARIES = "nondeterministic_output"


def no_cluster(session: Session, argv: list[bytes]) -> Reply:
    """Refuse: this server is no part of a cluster."""
    raise ReplyError(b"ERR This instance has cluster support disabled")


command.container("CLUSTER", since="3.0.0", summary="Commands of clusters, of which this server is no part.")

for _line, _flags, _since, _tips in (
    ("CLUSTER ADDSLOTS slot:int [slot:int ...]", _CHANGES, "3.0.0", ""),
    ("CLUSTER ADDSLOTSRANGE start-slot:int end-slot:int [start-slot:int end-slot:int ...]", _CHANGES, "7.0.0", ""),
    ("CLUSTER BUMPEPOCH", _CHANGES, "3.0.0", _VARIES),
    ("CLUSTER COUNT-FAILURE-REPORTS node-id", ADMIN | STALE, "3.0.0", _VARIES),
    ("CLUSTER COUNTKEYSINSLOT slot:int", STALE, "3.0.0", ""),
    ("CLUSTER DELSLOTS slot:int [slot:int ...]", _CHANGES, "3.0.0", ""),
    ("CLUSTER DELSLOTSRANGE start-slot:int end-slot:int [start-slot:int end-slot:int ...]", _CHANGES, "7.0.0", ""),
    ("CLUSTER FAILOVER [FORCE | TAKEOVER]", _CHANGES, "3.0.0", ""),
    ("CLUSTER FLUSHSLOTS", _CHANGES, "3.0.0", ""),
    ("CLUSTER FORGET node-id", _CHANGES, "3.0.0", ""),
    ("CLUSTER GETKEYSINSLOT slot:int count:int", STALE, "3.0.0", _VARIES),
    ("CLUSTER HELP", LOADING | STALE, "5.0.0", ""),
    ("CLUSTER INFO", STALE, "3.0.0", _VARIES),
    ("CLUSTER KEYSLOT item", STALE, "3.0.0", ""),
    ("CLUSTER LINKS", STALE, "7.0.0", _VARIES),
    ("CLUSTER MEET ip port:int [cluster-bus-port:int]", _CHANGES, "3.0.0", ""),
    ("CLUSTER MYID", STALE, "3.0.0", ""),
    ("CLUSTER MYSHARDID", STALE, "7.2.0", ""),
    ("CLUSTER NODES", STALE, "3.0.0", _VARIES),
    ("CLUSTER REPLICAS node-id", ADMIN | STALE, "5.0.0", _VARIES),
    ("CLUSTER REPLICATE node-id", _CHANGES, "3.0.0", ""),
    ("CLUSTER RESET [HARD | SOFT]", ADMIN | NOSCRIPT | STALE, "3.0.0", ""),
    ("CLUSTER SAVECONFIG", _CHANGES, "3.0.0", ""),
    ("CLUSTER SET-CONFIG-EPOCH config-epoch:int", _CHANGES, "3.0.0", ""),
    (
        "CLUSTER SETSLOT slot:int <IMPORTING node-id | MIGRATING node-id | NODE node-id | STABLE>",
        _CHANGES, "3.0.0", "",
    ),
    ("CLUSTER SHARDS", STALE, "7.0.0", _VARIES),
    ("CLUSTER SLAVES node-id", ADMIN | STALE, "3.0.0", _VARIES),
    ("CLUSTER SLOTS", STALE, "3.0.0", _VARIES),
):  # fmt: skip
    command(_line, _flags, since=_since, cost="O(1)", tips=_tips)(no_cluster)

for _line, _flags in (("ASKING", FAST), ("READONLY", LOADING | STALE | FAST), ("READWRITE", LOADING | STALE | FAST)):
    command(_line, _flags, since="3.0.0", cost="O(1)", acl="+connection")(no_cluster)
