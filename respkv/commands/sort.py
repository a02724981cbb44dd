"""SORT: the elements of a list, set or sorted set in another order, or what other keys hold for each.

Source of all behaviour: redis-server 7.0 and 8.2, tried; of what is a number, 8.2.
"""

from heapq import nlargest, nsmallest
from typing import Final

from respkv.commands.args import Args, parse_int
from respkv.commands.events import GENERIC, LIST
from respkv.commands.flags import DENYOOM, READONLY, WRITE
from respkv.commands.hashes import let_expire
from respkv.commands.spec import CommandGroup
from respkv.engine.keyspace import Keyspace, string_bytes
from respkv.errors import BadSyntax, ReplyError, WrongType
from respkv.reply import Reply
from respkv.values.hashes import Hash
from respkv.values.lists import List
from respkv.values.sets import Set
from respkv.values.sorted_sets import SortedSet

command = CommandGroup("generic", __name__)

_FEW: Final = 16
"""Up to this part of all elements, the first are found by a heap."""

_ACL = "+set +sortedset +list +dangerous -keyspace"


class Pattern:
    """What BY and GET name: `#`, or a key with a `*` for the element, and perhaps `->` and a field of a hash."""

    def __init__(self, text: bytes) -> None:
        self.is_element = text == b"#"
        before, star, after = text.partition(b"*")
        self.is_fixed = not star
        self.before = before
        key_after, arrow, field = after.partition(b"->")
        self.field = field if arrow else b""
        self.after = key_after if self.field else after

    def look_up(self, db: Keyspace, element: bytes) -> bytes | None:
        """What the pattern means for `element`, or None."""
        if self.is_element:
            return element
        if self.is_fixed:
            return None
        key = self.before + element + self.after
        value = db.find(key)
        if value is None:
            return None
        if self.field:
            return _field(db, key, value, self.field) if isinstance(value, Hash) else None
        return string_bytes(value) if isinstance(value, bytes | int | bytearray) else None


def _field(db: Keyspace, key: bytes, value: Hash, field: bytes) -> bytes | None:
    living = value if value.ttls is None else let_expire(db, key, value, [field])
    return None if living is None else living.get(field)


class Options:
    """The options of a SORT."""

    def __init__(self, argv: list[bytes], may_store: bool) -> None:
        self.start = 0
        self.count = -1
        self.descending = False
        self.alpha = False
        self.by: Pattern | None = None
        self.is_sorting = True
        self.gets: list[Pattern] = []
        self.target: bytes | None = None
        args = Args(argv, 2)
        while args.more():
            if args.token(b"ASC"):
                self.descending = False
            elif args.token(b"DESC"):
                self.descending = True
            elif args.token(b"ALPHA"):
                self.alpha = True
            elif args.remaining() > 2 and args.token(b"LIMIT"):
                self.start = parse_int(args.next())
                self.count = parse_int(args.next())
            elif may_store and args.token_with_value(b"STORE"):
                self.target = args.next()
            elif args.token_with_value(b"BY"):
                self.by = Pattern(args.next())
                if self.by.is_fixed:
                    self.is_sorting = False
            elif args.token_with_value(b"GET"):
                self.gets.append(Pattern(args.next()))
            else:
                raise BadSyntax


def keys_of_sort(argv: list[bytes]) -> list[bytes]:
    """The key that is sorted, and the one that STORE names; those of patterns follow from data."""
    keys = argv[1:2]
    target: list[bytes] = []
    at = 2
    while at < len(argv):
        word = argv[at].upper()
        if word == b"LIMIT":
            at += 2
        elif word in (b"GET", b"BY"):
            at += 1
        elif word == b"STORE" and at + 1 < len(argv):
            at += 1
            target = argv[at : at + 1]
        at += 1
    return keys + target


def find_pattern(argv: list[bytes]) -> bytes:
    """`BY` or `GET`, whichever of a request's options first names keys by a pattern; empty if none does."""
    at = 2
    while at < len(argv):
        word = argv[at].upper()
        if at + 1 < len(argv) and (word == b"GET" or (word == b"BY" and b"*" in argv[at + 1])):
            return word
        at += {b"LIMIT": 3, b"GET": 2, b"BY": 2, b"STORE": 2}.get(word, 1)
    return b""


@command(
    "SORT key [BY pattern:pattern] [LIMIT offset:int count:int] [GET pattern:pattern [GET pattern:pattern ...]]"
    " [ASC | DESC] [ALPHA] [STORE destination:key]",
    WRITE | DENYOOM,
    keys="RO ACCESS; RO ACCESS; OW UPDATE",
    acl=_ACL,
    since="1.0.0",
    cost="O(n * log n), n = elements",
    find_keys=keys_of_sort,
)
def sort(db: Keyspace, argv: list[bytes]) -> Reply:
    """The elements of a list, set or sorted set sorted as numbers, or with ALPHA as bytes; STORE makes a list of them.

    BY sorts by what the key holds that the pattern names, with the element in place of `*` (`w_*`, `user_*->age`), or
    not at all, if there is no `*`. GET gives what a pattern names instead of the element, which is `#`.

    > RPUSH k 3 10 2
    (integer) 3
    > SORT k DESC
    1) "10"
    2) "3"
    3) "2"
    """
    options = Options(argv, True)
    found = _sorted(db, argv[1], options)
    target = options.target
    if target is None:
        return found
    if found:
        db.set(target, List.of([b"" if item is None else item for item in found], db.engine.limits))
        db.notify(LIST, b"sortstore", target)
    elif db.remove(target):
        db.notify(GENERIC, b"del", target)
    return len(found)


@command(
    "SORT_RO key [BY pattern:pattern] [LIMIT offset:int count:int] [GET pattern:pattern [GET pattern:pattern ...]]"
    " [ASC | DESC] [ALPHA]",
    READONLY,
    keys="RO ACCESS; RO ACCESS",
    acl=_ACL,
    since="7.0.0",
    cost="O(n * log n), n = elements",
    find_keys=keys_of_sort,
)
def sort_ro(db: Keyspace, argv: list[bytes]) -> Reply:
    """As SORT, without STORE."""
    return _sorted(db, argv[1], Options(argv, False))


def _sorted(db: Keyspace, key: bytes, options: Options) -> list[bytes | None]:
    """What is asked for, in its order. Raises WrongType, ReplyError."""
    value = db.find(key)
    if isinstance(value, SortedSet) and value.is_packed:
        # As the reference does, for which it is faster; OBJECT ENCODING shows it.
        value = value.copy()
        value.unpack()
        db.recast(key, value)
    is_set = isinstance(value, Set)
    # What is stored, or given to a script, must follow from the data alone, and a set is in no order.
    if is_set and not options.is_sorting and (options.target is not None or db.engine.runs_script):
        options.is_sorting = options.alpha = True
        options.by = None
    elements = _elements(value)
    if not options.is_sorting:
        if options.descending:
            elements.reverse()
    else:
        if is_set and options.by is not None:
            elements.sort()
        elements = _ordered(db, elements, options)
    start = max(options.start, 0)
    if options.count >= 0:
        elements = elements[start : start + options.count]
    elif start:
        elements = elements[start:]
    gets = options.gets
    if not gets or (len(gets) == 1 and gets[0].is_element):
        return list(elements)
    return [pattern.look_up(db, element) for element in elements for pattern in gets]


def _elements(value: Reply) -> list[bytes]:
    """The elements in a list of their own."""
    if value is None:
        return []
    if isinstance(value, List):
        return list(value.items())
    if isinstance(value, Set):
        return list(value.members())
    if isinstance(value, SortedSet):
        return [member for member, _ in value.pairs()]
    raise WrongType


def _ordered(db: Keyspace, elements: list[bytes], options: Options) -> list[bytes]:
    """The elements in order; perhaps only as many of the first as are asked for."""
    by = options.by
    descending = options.descending
    most = len(elements)
    if options.count >= 0:
        most = min(most, max(options.start, 0) + options.count)
    if by is None:
        if not options.alpha:
            return _by_number(_numbers(elements), elements, descending, most)
        if most < len(elements) // _FEW:
            return nlargest(most, elements) if descending else nsmallest(most, elements)
        elements.sort(reverse=descending)
        return elements
    weights = [by.look_up(db, element) for element in elements]
    if options.alpha:
        # None comes before all; equals stay in their order.
        ranked = [
            (weight is not None, weight or b"", -number if descending else number)
            for number, weight in enumerate(weights)
        ]
        ranked.sort(reverse=descending)
        return [elements[abs(number)] for _, _, number in ranked]
    numbers = [0.0 if weight is None else _number(weight) for weight in weights]
    return _by_number(numbers, elements, descending, most)


def _by_number(numbers: list[float], elements: list[bytes], descending: bool, most: int) -> list[bytes]:
    """The elements by their numbers, equal ones by their bytes; at least the first `most`. O(n * log(most))."""
    if most < len(elements) // _FEW:
        pairs = zip(numbers, elements, strict=True)
        return [element for _, element in (nlargest(most, pairs) if descending else nsmallest(most, pairs))]
    distinct = len(set(numbers))
    if distinct == 1:  # so it is where no key has a weight
        elements.sort(reverse=descending)
        return elements
    if distinct == len(elements) or distinct == len(set(elements)):
        # Elements of one number are the same, and numbers alone are compared faster.
        order = sorted(range(len(elements)), key=numbers.__getitem__, reverse=descending)
        return [elements[place] for place in order]
    weighted = list(zip(numbers, elements, strict=True))
    weighted.sort(reverse=descending)
    return [element for _, element in weighted]


def _numbers(elements: list[bytes]) -> list[float]:
    """What the elements are as numbers. Raises ReplyError."""
    try:
        numbers = [float(element) for element in elements]
    except ValueError:
        numbers = []
    if numbers and not b"".join(elements).translate(None, b"0123456789.-+eE"):
        return numbers
    return [_number(element) for element in elements]


def _number(text: bytes) -> float:
    """The number that `text` is up to its first zero byte; nothing is 0. Raises ReplyError."""
    try:
        number = float(text)
    except ValueError:
        number = _number_in_parts(text)
    # Python takes more forms than the reference: `1_0`, ` 1`.
    if number != number or b"_" in text or (text and (text[0] <= 32 or text[-1] <= 32) and b"\0" not in text):
        raise NotSortable
    return number


def _number_in_parts(text: bytes) -> float:
    number_text = text.partition(b"\0")[0]
    if not number_text:
        return 0.0
    if len(number_text) == len(text):
        raise NotSortable
    return _number(number_text)


class NotSortable(ReplyError):
    """An element, or a weight of one, is no number."""

    def __init__(self) -> None:
        super().__init__(b"ERR One or more scores can't be converted into double")
