"""Runs the checks that the other rooms hand over, in the order of the chain."""
