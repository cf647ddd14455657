"""The ways that services talk: each carries the same operations, failures, deadlines and trace context."""
