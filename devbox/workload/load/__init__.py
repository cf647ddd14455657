"""Load from outside: seeded, open loop, measured from when a request was due."""
