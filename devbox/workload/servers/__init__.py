"""What carries HTTP: the server of each service, and the gateway in front of them."""
