"""Collections as plain data structures, which know nothing of keys, clients or time.

- `collection.py`: what all of them have in common, which is all that the engine asks of a value.
- `listpack.py`: the packed form of small ones, Redis's own.
- `lists.py`, `quicklist.py`, `listpack_body.py`: lists; their large form; what both are packed into.
- `limits.py`: up to where a collection is small.
"""
