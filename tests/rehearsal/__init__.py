"""Rehearsal hosts: containers that are real machines for our purposes (systemd, sshd, dockerd).

Standard library only, so that `scripts/rehearsal` works before anything is installed. Everything goes through
the `docker` command line against the machine's daemon, or one of our own when none answers.
"""
