"""The Docker daemon over its HTTP API.

Plain HTTP over a dialled stream, because the stream differs (TLS, TLS inside SSH, the Unix socket inside
SSH) and because importing the docker package costs more time than most commands take. The docker package
does what it is best at: finding registry credentials (`credentials`).
"""
