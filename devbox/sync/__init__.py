"""Code to the host: what is ignored, what was agreed on, what is to be done, and doing it.

`session.Session` is the door: `run_once`, `watch`. Events are hints, the index is the truth, the plan is a
pure diff, and no byte on the host is replaced or removed that the index does not explain.
"""
