"""Importing this module declares all commands on data."""
