"""Other people's libraries, unchanged, doing their main work on a server: `python -m compat.applications`."""
