"""`scripts/rehearsal`: rehearsal hosts from the command line."""

from __future__ import annotations

import argparse
import os
import sys

from tests.rehearsal import daemon, hosts, images
from tests.rehearsal.places import BenchError


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/rehearsal", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    up = verbs.add_parser("up", help="a host, ready; prints its address")
    up.add_argument("name", nargs="?", default="host")
    up.add_argument("--release", default="bookworm", choices=["bookworm", "trixie", "sid"])
    up.add_argument("--no-docker", action="store_true", help="without Docker installed")
    up.add_argument("--sudo", default="nopasswd", choices=["nopasswd", "password", "none"])
    up.add_argument("--bare", action="store_true", help="without the python stand-in image")
    verbs.add_parser("ssh-config", help="an ssh_config with one Host per running host")
    shell = verbs.add_parser("shell", help="root's shell in it, not through SSH")
    shell.add_argument("name")
    shell.add_argument("command", nargs=argparse.REMAINDER)
    down = verbs.add_parser("down", help="those, or all, with their volumes")
    down.add_argument("names", nargs="*", metavar="name")
    load = verbs.add_parser("load", help="put the python stand-in image into its daemon")
    load.add_argument("name")
    verbs.add_parser("ls", help="the running hosts")
    outer = verbs.add_parser("daemon", help="the outer daemon")
    outer.add_argument("action", choices=["start", "stop", "status"])
    return parser


def _host(name: str) -> hosts.RehearsalHost:
    found = hosts.find(name)
    if found is None:
        raise BenchError(f"no host called {name} runs: scripts/rehearsal up {name}")
    return found


def _up(args: argparse.Namespace) -> None:
    wish = hosts.Wish(args.name, args.release, not args.no_docker, args.sudo, not args.bare)
    print(f"preparing {args.name} ({args.release}); the first time takes about a minute", file=sys.stderr)
    print(hosts.up(wish).address)


def _daemon(action: str) -> int:
    if action == "status":
        answers, words = daemon.status()
        print(words)
        return 0 if answers else 1
    print(daemon.start() if action == "start" else daemon.stop())
    return 0


def main() -> int:
    """Run one verb; 1 with a sentence when the bench cannot."""
    args = _parser().parse_args()
    try:
        if args.verb == "up":
            _up(args)
        elif args.verb == "ssh-config":
            print(hosts.ssh_config())
        elif args.verb == "shell":
            terminal = ["-it"] if sys.stdin.isatty() else ["-i"]
            command = args.command or ["bash"]
            words = [*daemon.client(), "exec", *terminal, _host(args.name).container, *command]
            os.execvp(words[0], words)
        elif args.verb == "down":
            removed = [one for name in args.names or [None] for one in hosts.down(name)]
            print("removed:", *(removed or ["nothing"]))
        elif args.verb == "load":
            hosts.load(_host(args.name))
            print(images.PYTHON_IMAGE)
        elif args.verb == "ls":
            for host in hosts.running():
                print(f"{host.name:<16} {host.address:<14} {host.inner:<14} {host.release}")
        else:
            return _daemon(args.action)
    except BenchError as error:
        print(f"rehearsal: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
