"""devbox.yaml: the model (pure), and loading it with messages that name the key and the line."""
