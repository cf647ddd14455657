"""The program that runs on the host: standard library only, Python 3.7 or later, run from memory.

Its modules import nothing but each other and what every python3 has; `program` puts them together. They are
kept light: what they import is paid for at every connection.
"""
