"""Makes an API key for each role of ``roles.json``, into files: what a part of Tocsin may do to the store, and no more.

    python keys.py https://es1:9200 CA PASSWORD_FILE FOLDER [ROLE…]

A key that is there already is replaced in its file and stays valid until it is invalidated (see docs/operations.md).
Only the standard library: it runs where nothing is installed.
"""

from __future__ import annotations

import base64
import json
import os
import ssl
import sys
import urllib.request
from pathlib import Path

ROLES = Path(__file__).with_name("roles.json")
READER = 10001  # the user of the containers that read them


def made(url: str, ca: str, password: str, role: str, descriptor: object) -> str:
    """A new key of one role, in the form that clients send."""
    body = {"name": f"tocsin-{role}", "role_descriptors": {role: descriptor}, "metadata": {"role": role}}
    login = base64.b64encode(f"elastic:{password}".encode()).decode()
    request = urllib.request.Request(  # noqa: S310 - the address is an administrator's
        f"{url}/_security/api_key",
        data=json.dumps(body).encode(),
        headers={"authorization": f"Basic {login}", "content-type": "application/json"},
    )
    context = ssl.create_default_context(cafile=ca) if url.startswith("https:") else None
    with urllib.request.urlopen(request, context=context, timeout=30) as answer:  # noqa: S310
        return str(json.load(answer)["encoded"])


def kept(path: Path, key: str) -> None:
    """Write a key where only its reader can read it, whole or not at all."""
    part = path.with_name(f"{path.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(key)
    if os.geteuid() == 0:
        os.chown(part, READER, -1)
    part.replace(path)


def main(url: str, ca: str, password_file: str, folder: str, *roles: str) -> None:
    """Make the keys of the roles that are named, or of all."""
    descriptors = json.loads(ROLES.read_text(encoding="utf-8"))
    password = Path(password_file).read_text(encoding="utf-8").strip()
    for role in roles or descriptors:
        path = Path(folder, f"elasticsearch_{role}")
        kept(path, made(url, ca, password, role, descriptors[role]))
        print(f"{role}: {path}")


if __name__ == "__main__":
    main(*sys.argv[1:])
