"""Lists in RDB files.

    1   count | string ...                             until Redis 3.0: linked lists
    10  ziplist                                        until 3.0: small ones
    14  nodes | ziplist ...                            3.2 to 6.2: quicklist
    18  nodes | (1: plain | string, 2 | listpack) ...  7.0 on; plain: an element that is too long for a node

Written is 18. The nodes are those in memory, which are as long as Redis's own. Compiled.
"""

from respkv.persistence import rdb_format as rdb
from respkv.persistence.packed import checked_listpack, ziplist_elements
from respkv.persistence.rdb_reader import RdbReader
from respkv.persistence.rdb_writer import encode_length, encode_long
from respkv.values import listpack
from respkv.values.lists import List, listpack_head
from respkv.values.quicklist_nodes import Node, node_of_listpack


def _of(reader: RdbReader, items: list[bytes]) -> List | None:
    return List.of(items, reader.limits) if items else None


def decode_plain(reader: RdbReader) -> List | None:
    """Type 1."""
    return _of(reader, reader.read_strings(reader.read_length()))


def decode_ziplist(reader: RdbReader) -> List | None:
    """Type 10."""
    return _of(reader, ziplist_elements(reader.read_string()))


def decode_quicklist(reader: RdbReader) -> List | None:
    """Type 14."""
    nodes: list[Node] = []
    for _ in range(reader.read_length()):
        items = ziplist_elements(reader.read_string())
        if items:
            nodes.append(node_of_listpack(listpack.pack(items)))
    return List.of_nodes(nodes, reader.limits) if nodes else None


def decode_quicklist_2(reader: RdbReader) -> List | None:
    """Type 18."""
    nodes: list[Node] = []
    has_plain = False
    for _ in range(reader.read_length()):
        container = reader.read_length()
        node = reader.read_string()
        if container == rdb.NODE_PLAIN:
            has_plain = True
            node = listpack.pack([node])
        elif container == rdb.NODE_PACKED:
            node = checked_listpack(node, 0)
        else:
            raise ValueError("a node of a list that is neither plain nor packed")
        # At once, while it is in the processor's cache; and what was read may go.
        if listpack.count(node):
            nodes.append(node_of_listpack(node))
    if not has_plain:
        return List.of_nodes(nodes, reader.limits) if nodes else None
    items: list[bytes] = []
    for stored in nodes:
        items += stored.slice(0, stored.count)
    return _of(reader, items)


def encode_list(value: List, compressing: bool) -> tuple[int, bytes]:
    """Type 18."""
    return rdb.TYPE_LIST_QUICKLIST_2, b"".join(pieces_of(value, compressing))


def pieces_of(value: List, compressing: bool) -> list[bytes]:
    """A list as type 18 has it, in pieces, closed nodes as they are. O(nodes)."""
    nodes = value.nodes
    if nodes is None:
        return [b"\x01\x02", encode_long(value.packed, compressing)]
    pieces = [encode_length(len(nodes.nodes))]
    for node in nodes.nodes:
        if nodes.is_plain(node):
            pieces.append(b"\x01" + encode_long(node.elements[0], compressing))
        elif node.is_open:
            pieces.append(b"\x02" + encode_long(listpack.pack(node.slice(0, node.count)), compressing))
        elif compressing:
            packed = b"%b%b\xff" % (listpack_head(node.body, node.count), node.body)
            pieces.append(b"\x02" + encode_long(packed, True))
        else:
            pieces.append(b"\x02%b%b" % (encode_length(node.size), listpack_head(node.body, node.count)))
            pieces.append(node.body)
            pieces.append(b"\xff")
    return pieces
