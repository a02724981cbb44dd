"""The same commands to a real server (the oracle) and to another (the subject); their raw replies compared.

Hand-written cases live in `cases/*.txt` (format: `script.py`); sequences are also generated from the grammar
in `grammar.py`. What may differ is named in `comparators.py`, what does differ and why in `known.py`.
"""
