"""Collections as plain data structures, which know nothing of keys, clients or time.

- `collection.py`: what all of them have in common, which is all that the engine asks of a value.
- `listpack.py`: the packed form of small ones, Redis's own.
- `lists.py`, `quicklist.py`, `listpack_body.py`: lists; their large form; what both are packed into.
- `hashes.py`, `hash_map.py`: hashes and when their fields expire; the large form.
- `sets.py`, `intset.py`, `hash_set.py`: sets; integers packed; the large form.
- `hyperloglog.py`: strings that count different elements.
- `limits.py`: up to where a collection is small.
"""
