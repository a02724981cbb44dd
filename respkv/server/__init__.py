"""Sans-I/O sessions and what serves them: configuration, dispatch, statistics. Knows no sockets."""
