"""Ignore files worth comparing: each with what it is about. All are applied to the same tree."""

from __future__ import annotations

import os
from pathlib import Path

FILES = (
    "a.txt", "b.md", "README.md", "README-secret.md", "tempa", "temp?", "file[1].txt", "file1.txt",
    "foo/bar", "foo/baz/deep.txt", "foo/.hidden", ".env", ".git/config", ".git/hooks/pre", "build/out.o",
    "src/app/main.py", "src/app/main.pyc", "src/app/__pycache__/main.pyc", "src/lib/util.py", "src/lib/x.go",
    "docs/a.md", "docs/b/c.md", "docs/b/README.md", "node_modules/m/index.js", "node_modules/keep/index.js",
    "space name.txt", "#hash", "!bang", "back\\slash", "ünï.txt", "x/y/z/x/y/z", "UPPER.TXT", "d.d/e.e/f.f",
    "sub/temp/one", "sub/two/temp1", "foobar", "bar", "a-b", "(paren)", "{brace}", "plus+", "dollar$",
    "caret^",
    "pipe|", "star*", "dot.", "..dots", "...", "data/x.bin", "data/keep.txt", "deep/1/2/3/4/5", "tab\tname",
)  # fmt: skip

CASES: dict[str, str | bytes] = {
    "nothing": "",
    "comment and blank": "# a\n\n   \n#b\n",
    "comment after space is a pattern": "  #hash\n",
    "plain file": "a.txt",
    "folder": "foo",
    "folder with slash": "foo/",
    "leading slash": "/foo\n/a.txt",
    "two leading slashes": "//foo",
    "dot slash": "./foo\n./a.txt",
    "parent": "../foo",
    "climbing inside": "foo/../bar",
    "star": "*",
    "star but one": "*\n!a.txt",
    "star but folder": "*\n!src",
    "star but deep": "*\n!src/app/main.py",
    "star but deep folder": "*\n!src/app",
    "star but pattern": "*\n!**/*.md",
    "star but star py": "*\n!src/*/*.py",
    "double star": "**",
    "double star but": "**\n!src/lib/util.py",
    "double star but all": "**\n!**",
    "any pyc": "**/*.pyc",
    "any pycache": "**/__pycache__",
    "pycache slash": "**/__pycache__/",
    "star pyc only at the top": "*.pyc",
    "one level": "*/*.md",
    "two levels": "*/*/*.md",
    "temp of the docs": "*/temp*\n*/*/temp*\ntemp?",
    "md but README": "*.md\n!README.md",
    "md but README pattern, then secret": "*.md\n!README*.md\nREADME-secret.md",
    "md, secret, README: last wins": "*.md\nREADME-secret.md\n!README*.md",
    "question": "temp?",
    "class": "file[1].txt",
    "class range": "[a-b].*",
    "class negated": "[^a]*.txt",
    "class bang is a plain character": "[!a]*",
    "class with several": "[abc].??",
    "escaped star": "star\\*",
    "escaped question": "temp\\?",
    "escaped bracket": "file\\[1\\].txt",
    "escaped backslash": "back\\\\slash",
    "unescaped backslash": "back\\slash",
    "hash escaped": "\\#hash",
    "bang escaped": "\\!bang",
    "space": "space name.txt",
    "spaces around": "   foo   \n\t a.txt \t",
    "bang and space": "*\n! a.txt",
    "crlf": "a.txt\r\nfoo\r\n",
    "bom": b"\xef\xbb\xbfa.txt\n",
    "no newline at the end": "a.txt\nfoo",
    "unicode": "ünï.txt",
    "unicode question": "?n?.txt",
    "upper case": "upper.txt",
    "suffix without slash": "**.md",
    "suffix with folder": "**/b/c.md",
    "middle": "foo/**/deep.txt",
    "middle zero folders": "foo/**/bar",
    "trailing double star": "src/**",
    "trailing double star but": "src/**\n!src/lib/util.py",
    "trailing double star slash": "docs/**/",
    "name anywhere": "**/bar",
    "dot name anywhere": "**/.*",
    "git": ".git",
    "git but config": ".git\n!.git/config",
    "modules but one": "node_modules\n!node_modules/keep",
    "modules star but one": "node_modules/*\n!node_modules/keep",
    "back and out again": "docs\n!docs/b\ndocs/b/README.md",
    "thrice": "*.md\n!*.md\n*.md",
    "negated first": "!a.txt\n*.txt",
    "only negated": "!foo",
    "negated deep of nothing": "foo\n!nowhere/x",
    "negated prefix of a name": "foo\n!foobar",
    "repeating path": "x/y/z",
    "dots": "d.d/e.e",
    "dot is no wildcard": "d?d",
    "parentheses": "(paren)",
    "braces": "{brace}",
    "plus": "plus+",
    "dollar": "dollar$",
    "caret": "caret^",
    "pipe": "pipe|",
    "names of dots": "..dots\n...",
    "dot": ".",
    "dot slash alone": "./",
    "slash": "/",
    "dockerfile": "Dockerfile",
    "ignore file": ".dockerignore",
    "both": "Dockerfile\n.dockerignore\n*.md",
    "dockerfile by star": "D*",
    "everything and dot files": "*\n.*",
    "data but keep": "data/*\n!data/keep.txt",
    "deep but": "deep\n!deep/1/2/3/4/5",
    "deep but half": "deep/1/2\n!deep/1/2/3",
    "star in the middle": "src/*/main.py",
    "star star star": "***",
    "star star letter": "**a*",
    "double star twice": "**/app/**/*.pyc",
    "tab in name": "tab\tname",
    "digit class of regular expressions": "file\\d.txt",
    "class bad": "file[1.txt",
    "class empty": "file[].txt",
    "range open": "file[1-].txt",
    "backslash at the end": "foo\\",
    "bang alone": "!",
    "bang alone in the middle": "a.txt\n!\nfoo",
    "question folder": "fo?/b?r",
    "suffix of several parts": "**/src/app/main.py",
    "suffix of a part": "**ain.py",
    "not quite a folder": "foo/bar/",
    "slashes in a row": "foo//bar",
    "negated with slash": "*\n!/src\n",
    "negated dot slash": "*\n!./docs\n",
    "folder star": "foo/*",
    "folder star but hidden": "foo/*\n!foo/.hidden",
}


def plant(root: Path) -> None:
    """The tree: names that mean something to patterns, links, modes, an empty folder."""
    for name in FILES:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name * 3)
    (root / "Dockerfile").write_text("FROM scratch\n")
    (root / "empty").mkdir()
    (root / "run.sh").write_text("#!/bin/sh\n")
    (root / "run.sh").chmod(0o755)
    (root / "private").write_text("x")
    (root / "private").chmod(0o600)
    (root / "dangling").symlink_to("nowhere")
    (root / "link").symlink_to("foo")
    (root / "docs/up").symlink_to("../a.txt")
    os.mkfifo(root / "pipe")
