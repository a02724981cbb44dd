"""Side by side: the same load on each server, by turns, on the same core, with the same durability.

The server runs on the first core, redis-benchmark and the latency probe on the second. Servers take turns
within each round (A B C D, A B C D, ...), so that slow changes of the machine fall on all alike; while one
has its turn the others are stopped (SIGSTOP). What is reported is the median of the rounds with the least
and the greatest; CPU time is the server process's own, from /proc.
"""
