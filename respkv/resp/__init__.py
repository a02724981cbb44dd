"""The wire protocol without any I/O: requests from bytes, replies to bytes, in RESP2 and RESP3."""
