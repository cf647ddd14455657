"""What pages share: a small HTTP server on loopback, its guard, live channels, assets."""
