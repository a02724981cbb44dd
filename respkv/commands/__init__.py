"""The commands: one file per group, each command one declaration beside one function."""
