"""The hot and bulk lane: a small program held in memory on the host, where it has python3.

`remote` is the program; it is sent through an exec channel, writes nothing of itself to disk and ends with
the channel. `tree` is the other end, `best` takes it where it runs.
"""
