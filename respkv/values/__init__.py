"""Collections as plain data structures, which know nothing of keys, clients or time.

- `collection.py`: what all of them have in common, which is all that the engine asks of a value.
- `listpack.py`: the packed form of small ones, Redis's own.
- `lists.py`, `quicklist.py`, `quicklist_nodes.py`, `listpack_body.py`: lists; their large form; its nodes; what small
  lists and nodes are packed into.
- `hashes.py`, `hash_map.py`: hashes and when their fields expire; the large form.
- `sets.py`, `intset.py`, `hash_set.py`: sets; integers packed; the large form.
- `directory.py`: what the large forms of hashes and sets are made of.
- `sorted_sets.py`, `score_index.py`: sorted sets; their order and ranks.
- `streams.py`, `stream_nodes.py`, `stream_ids.py`, `stream_groups.py`, `stream_untrusted.py`: streams; entries; IDs;
  consumer groups; what comes from outside.
- `bits.py`, `geohash.py`: strings as bits; places as numbers.
- `hyperloglog.py`: strings that count different elements.
- `limits.py`: up to where a collection is small.
"""
