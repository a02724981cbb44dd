"""The flags of a command's declaration, as plain ints: what COMMAND INFO shows, and what the gate minds.

An `IntFlag` would read as well but costs 0.6 µs for each `&` (docs/adr/0003). They are `Final`, so
that compiled code has the numbers in place instead of looking them up.
"""

from typing import Final

WRITE: Final = 1 << 0
READONLY: Final = 1 << 1
DENYOOM: Final = 1 << 2
ADMIN: Final = 1 << 3
PUBSUB: Final = 1 << 4
NOSCRIPT: Final = 1 << 5
BLOCKING: Final = 1 << 6
LOADING: Final = 1 << 7
STALE: Final = 1 << 8
SKIP_MONITOR: Final = 1 << 9
SKIP_SLOWLOG: Final = 1 << 10
FAST: Final = 1 << 11
NO_AUTH: Final = 1 << 12
# Not shown by COMMAND: no write, but it may have an effect on others; CLIENT PAUSE WRITE holds it back.
MAY_REPLICATE: Final = 1 << 13
NO_MULTI: Final = 1 << 14
ALLOW_BUSY: Final = 1 << 15
NO_ASYNC_LOADING: Final = 1 << 16
MOVABLEKEYS: Final = 1 << 17
NO_MANDATORY_KEYS: Final = 1 << 18
PROTECTED: Final = 1 << 19
DANGEROUS: Final = 1 << 21
# Not shown by COMMAND: may use a key of another database than the selected one.
ELSEWHERE: Final = 1 << 28
# Not shown by COMMAND: runs inside MULTI instead of being queued.
UNQUEUED: Final = 1 << 30
# Not shown by COMMAND: ends, marks or names interactive transactions, and does not run inside of one.
TRANSACTION: Final = 1 << 29
# Not shown by COMMAND: each call is timed by itself, since one call may take long.
TIMED: Final = 1 << 31

SHOWN: tuple[tuple[int, bytes], ...] = (
    (WRITE, b"write"),
    (READONLY, b"readonly"),
    (DENYOOM, b"denyoom"),
    (ADMIN, b"admin"),
    (PUBSUB, b"pubsub"),
    (NOSCRIPT, b"noscript"),
    (BLOCKING, b"blocking"),
    (LOADING, b"loading"),
    (STALE, b"stale"),
    (SKIP_MONITOR, b"skip_monitor"),
    (SKIP_SLOWLOG, b"skip_slowlog"),
    (FAST, b"fast"),
    (NO_AUTH, b"no_auth"),
    (NO_MANDATORY_KEYS, b"no_mandatory_keys"),
    (NO_ASYNC_LOADING, b"no_async_loading"),
    (NO_MULTI, b"no_multi"),
    (MOVABLEKEYS, b"movablekeys"),
    (ALLOW_BUSY, b"allow_busy"),
)
"""Flag and the name that COMMAND INFO gives it, in its order."""

# The gate: reasons why a session's dispatch looks closer, and so what a command's mask may mind.
GATE_ALWAYS: Final = 1 << 0  # always set: the command itself is the reason (it wants a session, may wait, or is timed)
GATE_AUTH: Final = 1 << 1  # the session has yet to authenticate
GATE_MULTI: Final = 1 << 2  # the session queues commands after MULTI
GATE_LOADING: Final = 1 << 3  # the server loads its data
GATE_MEMORY: Final = 1 << 4  # maxmemory is set: room must be made before a command that may need more
GATE_DISK: Final = 1 << 5  # the log or a snapshot failed: no writes
GATE_LOCKS: Final = 1 << 6  # some keys are locked
GATE_TIMED: Final = 1 << 7  # every command is timed by itself (slow log or latency threshold is low)
GATE_PAUSED: Final = 1 << 8  # CLIENT PAUSE
GATE_SUBSCRIBED: Final = 1 << 9  # the session has subscriptions: RESP2 allows few commands then
GATE_SILENT: Final = 1 << 10  # CLIENT REPLY OFF or SKIP: replies are left out
GATE_UNTOUCHING: Final = 1 << 11  # CLIENT NO-TOUCH: reads are no use of a key
# Minded by no command: it says that the session knows only names of commands that its user may run with any arguments,
# so that all others come to the gate (docs/adr/0020).
GATE_BUSY: Final = 1 << 16  # a script runs for long, and others are served within it
GATE_USER: Final = 1 << 20

GATE_MONITORED: Final = 1 << 24  # somebody uses MONITOR: every command is shown to him
GATE_TRANSACTION: Final = 1 << 21  # between BEGIN and COMMIT: commands run inside of the transaction
# The session tracks keys for a cache of its own: what it reads is remembered, and what it changes it hears itself.
GATE_TRACKING: Final = 1 << 25


def mask_of(flags: int, *, wants_session: bool, has_keys: bool) -> int:
    """The gate bits that a command with `flags` minds."""
    mask = GATE_MULTI | GATE_TIMED | GATE_SUBSCRIBED | GATE_PAUSED | GATE_SILENT | GATE_UNTOUCHING | GATE_MONITORED
    mask |= GATE_TRANSACTION | GATE_TRACKING
    if wants_session or flags & (TIMED | BLOCKING):
        mask |= GATE_ALWAYS
    if not flags & NO_AUTH:
        mask |= GATE_AUTH
    if not flags & LOADING:
        mask |= GATE_LOADING
    if not flags & ALLOW_BUSY:
        mask |= GATE_BUSY
    if flags & DENYOOM:
        mask |= GATE_MEMORY
    if flags & WRITE:
        mask |= GATE_DISK
    # What writes and names no key may change any.
    if has_keys or flags & WRITE:
        mask |= GATE_LOCKS
    return mask
