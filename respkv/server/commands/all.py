"""Importing this module declares all commands on sessions and the server."""

import respkv.server.commands.administration
import respkv.server.commands.client
import respkv.server.commands.configuration
import respkv.server.commands.connection
import respkv.server.commands.debugging
import respkv.server.commands.introspection
import respkv.server.commands.latency
import respkv.server.commands.memory
import respkv.server.commands.saving
import respkv.server.commands.slowlog
import respkv.server.commands.transactions
