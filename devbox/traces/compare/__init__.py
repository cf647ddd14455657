"""Two sets of traces side by side: what came, what went, what became slower."""
