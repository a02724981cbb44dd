"""The commands on sessions and the server."""
