"""What rooms ask of the world: Protocols, and the values they exchange.

Nothing here does anything. An adapter in `devbox.adapters` implements each Protocol for real, `tests/fakes`
holds a small honest one, and one contract suite per port is run against both.
"""
