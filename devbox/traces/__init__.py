"""Traces: collect, store, analyse, show."""
