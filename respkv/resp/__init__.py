"""The wire protocol as bytes: no sockets, no commands."""
