"""Many updates into one: aggregation rules as parts of a program, disputable like any other node."""
