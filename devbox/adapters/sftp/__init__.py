"""SFTP version 3 spoken by ourselves over any byte channel: pipelined, every status checked."""
