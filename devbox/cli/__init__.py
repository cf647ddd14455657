"""The door: parse, call a room, say the result, exit code."""
