"""Named patterns in one trace: what experienced people see in a waterfall, said in words."""
