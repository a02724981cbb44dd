"""Importing this module declares all commands on data."""
# ruff: noqa: F401 (each import is for its declarations)

import respkv.commands.databases
import respkv.commands.keys
import respkv.commands.objects
import respkv.commands.strings
import respkv.commands.ttl
