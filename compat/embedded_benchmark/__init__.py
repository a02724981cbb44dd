"""Libraries side by side: a key-value store inside a Python program, at the same durability, by turns.

Each turn is a process of its own, which opens one store, fills it, and gets and puts single keys in a loop for a fixed
time. Stores take turns within each round (A B C, A B C, ...), so that slow changes of the machine fall on all alike.
CPU time is that of all threads of the process, and of the server where a library starts one.
"""
