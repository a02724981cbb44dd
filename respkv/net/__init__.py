"""The only room of Trio: sockets, signals, background work."""
