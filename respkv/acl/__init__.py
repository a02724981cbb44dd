"""Access control: who may do what. Knows commands and their declarations, no sessions, no sockets.

- `selector.py`: one set of permissions, and the rules that make it.
- `users.py`: users with their passwords and selectors, and all users of a server.
- `permissions.py`: whether a user may run a command with these arguments.

Source of all behaviour: redis-server 7.4 and 8.2, tried beside them (compat/differential/cases/acl*.txt).
"""
