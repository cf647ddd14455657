"""The fuse box: Config -> real Host, Daemon, Tree, Watcher. The only importer of adapters.

Everything is imported when it is asked for, so that a command pays only for what it uses.
"""
