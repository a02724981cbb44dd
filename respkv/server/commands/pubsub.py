"""Publish/subscribe: SUBSCRIBE and its kin, PUBLISH, and PUBSUB, which tells who listens.

What subscribing answers is a push of its own for each name, in RESP3 a real one; CLIENT REPLY does not silence it. What
is published is not logged: nobody would listen to it after a restart.

Source of all behaviour: redis-server 7.0.15 and 8.2.
"""

from respkv.commands.flags import FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, STALE
from respkv.commands.help import help_of
from respkv.commands.spec import CommandGroup
from respkv.commands.syntax import KeySpec
from respkv.engine import glob
from respkv.errors import ReplyError
from respkv.reply import NO_REPLY, Push, Reply
from respkv.server.pubsub import CHANNEL, PATTERN, SHARD_CHANNEL, Subscribers
from respkv.server.session import Session

command = CommandGroup("pubsub", __name__, session=True)

_LISTENING = PUBSUB | NOSCRIPT | LOADING | STALE
_SPEAKING = PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE
_ASKING = PUBSUB | LOADING | STALE

_SUBSCRIBED = {CHANNEL: b"subscribe", PATTERN: b"psubscribe", SHARD_CHANNEL: b"ssubscribe"}
_UNSUBSCRIBED = {CHANNEL: b"unsubscribe", PATTERN: b"punsubscribe", SHARD_CHANNEL: b"sunsubscribe"}


@command("SUBSCRIBE channel [channel ...]", _LISTENING, since="2.0.0", cost="O(n), n = channels given")
def subscribe(session: Session, argv: list[bytes]) -> Reply:
    """Listen to what is published on these channels.

    > SUBSCRIBE news
    1) "subscribe"
    2) "news"
    3) (integer) 1
    """
    return _subscribe(session, CHANNEL, argv)


@command("UNSUBSCRIBE [channel [channel ...]]", _LISTENING, since="2.0.0", cost="O(n), n = channels given")
def unsubscribe(session: Session, argv: list[bytes]) -> Reply:
    """Listen no longer to these channels, or to any."""
    return _unsubscribe(session, CHANNEL, argv)


@command(
    "PSUBSCRIBE pattern:pattern [pattern ...]",
    _LISTENING,
    since="2.0.0",
    cost="O(n), n = patterns given",
)
def psubscribe(session: Session, argv: list[bytes]) -> Reply:
    """Listen to all channels whose names match these patterns.

    > PSUBSCRIBE news.*
    1) "psubscribe"
    2) "news.*"
    3) (integer) 1
    """
    return _subscribe(session, PATTERN, argv)


@command(
    "PUNSUBSCRIBE [pattern:pattern [pattern ...]]",
    _LISTENING,
    since="2.0.0",
    cost="O(n), n = patterns given",
)
def punsubscribe(session: Session, argv: list[bytes]) -> Reply:
    """Listen no longer by these patterns, or by any."""
    return _unsubscribe(session, PATTERN, argv)


@command(
    "SSUBSCRIBE shardchannel [shardchannel ...]",
    _LISTENING,
    since="7.0.0",
    cost="O(n), n = channels given",
    slot_of=KeySpec(index=1, last=-1),
)
def ssubscribe(session: Session, argv: list[bytes]) -> Reply:
    """Listen to what is published on these shard channels."""
    if session.executing:
        raise ReplyError(b"ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client")
    return _subscribe(session, SHARD_CHANNEL, argv)


@command(
    "SUNSUBSCRIBE [shardchannel [shardchannel ...]]",
    _LISTENING,
    since="7.0.0",
    cost="O(n), n = channels given",
    slot_of=KeySpec(index=1, last=-1),
)
def sunsubscribe(session: Session, argv: list[bytes]) -> Reply:
    """Listen no longer to these shard channels, or to any."""
    return _unsubscribe(session, SHARD_CHANNEL, argv)


@command("PUBLISH channel message", _SPEAKING, since="2.0.0", cost="O(n + m), n = subscribers, m = patterns of all")
def publish(session: Session, argv: list[bytes]) -> Reply:
    """Send `message` to all who listen to `channel`; how many times it was sent.

    > PUBLISH news hello
    (integer) 0
    """
    return session.server.pubsub.publish(argv[1], argv[2])


@command(
    "SPUBLISH shardchannel message",
    _SPEAKING,
    since="7.0.0",
    cost="O(n), n = subscribers",
    slot_of=KeySpec(index=1),
)
def spublish(session: Session, argv: list[bytes]) -> Reply:
    """Send `message` to all who listen to the shard channel `shardchannel`; how many."""
    return session.server.pubsub.publish_to_shard(argv[1], argv[2])


command.container("PUBSUB", since="2.8.0", summary="Tells which channels have subscribers.")


@command("PUBSUB CHANNELS [pattern:pattern]", _ASKING, since="2.8.0", cost="O(n), n = channels")
def pubsub_channels(session: Session, argv: list[bytes]) -> Reply:
    """The channels that somebody listens to, or those of them that match `pattern`."""
    return _names(session.server.pubsub.channels, argv)


@command("PUBSUB NUMSUB [channel [channel ...]]", _ASKING, since="2.8.0", cost="O(n), n = channels given")
def pubsub_numsub(session: Session, argv: list[bytes]) -> Reply:
    """How many listen to each of these channels, apart from patterns.

    > PUBSUB NUMSUB news
    1) "news"
    2) (integer) 0
    """
    return _counts(session.server.pubsub.channels, argv)


@command("PUBSUB NUMPAT", _ASKING, since="2.8.0", cost="O(1)")
def pubsub_numpat(session: Session, argv: list[bytes]) -> Reply:
    """How many different patterns anybody listens by."""
    return len(session.server.pubsub.patterns)


@command("PUBSUB SHARDCHANNELS [pattern:pattern]", _ASKING, since="7.0.0", cost="O(n), n = shard channels")
def pubsub_shardchannels(session: Session, argv: list[bytes]) -> Reply:
    """The shard channels that somebody listens to, or those of them that match `pattern`."""
    return _names(session.server.pubsub.shard_channels, argv)


@command(
    "PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]",
    _ASKING,
    since="7.0.0",
    cost="O(n), n = channels given",
)
def pubsub_shardnumsub(session: Session, argv: list[bytes]) -> Reply:
    """How many listen to each of these shard channels."""
    return _counts(session.server.pubsub.shard_channels, argv)


@command("PUBSUB HELP", LOADING | STALE, since="6.2.0", cost="O(1)", acl="-pubsub")
def pubsub_help(session: Session, argv: list[bytes]) -> Reply:
    """Print this help."""
    return help_of(b"pubsub")


def _subscribe(session: Session, kind: int, argv: list[bytes]) -> Reply:
    pubsub = session.server.pubsub
    for at in range(1, len(argv)):
        session.write_push(Push([_SUBSCRIBED[kind], argv[at], pubsub.subscribe(session, kind, argv[at])]))
    return NO_REPLY


def _unsubscribe(session: Session, kind: int, argv: list[bytes]) -> Reply:
    pubsub = session.server.pubsub
    word = _UNSUBSCRIBED[kind]
    names = argv[1:] or list(session.subscriptions.of(kind))
    for name in names:
        session.write_push(Push([word, name, pubsub.unsubscribe(session, kind, name)]))
    if not names:
        session.write_push(Push([word, None, session.subscriptions.count_beside(kind)]))
    return NO_REPLY


def _names(table: dict[bytes, Subscribers], argv: list[bytes]) -> Reply:
    if len(argv) > 3:
        raise _no_such(argv)
    if len(argv) == 2:
        return list(table)
    return list(filter(glob.compile(argv[2]), table))


def _counts(table: dict[bytes, Subscribers], argv: list[bytes]) -> Reply:
    counts: list[Reply] = []
    for name in argv[2:]:
        counts += (name, len(table.get(name, ())))
    return counts


def _no_such(argv: list[bytes]) -> ReplyError:
    return ReplyError(b"ERR unknown subcommand or wrong number of arguments for '%b'. Try PUBSUB HELP." % argv[1][:128])
