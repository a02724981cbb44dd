"""The commands on data: one declaration beside one function each, and the table that they fill."""
