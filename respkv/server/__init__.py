"""What a client talks to, without sockets: sessions, the gate, configuration, INFO, and the commands on sessions."""
