"""The span recorder: standard library only."""
