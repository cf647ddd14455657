"""Code to the host: ignore rules, index, plan, lanes, journal, session."""
