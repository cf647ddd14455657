"""The doctor: walks the chain from the laptop to the running app, and stops where it is broken."""
