"""Make a host ready: facts, plan, one staged script, proof; certificates, firewall, undo."""
