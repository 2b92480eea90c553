"""Secrets come from the environment or a file, never from ``tocsin.toml``."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr

from pipeline.errors import SecretMissing


def printable(store: str) -> str:
    """The address of a store without the password that somebody wrote into it."""
    return re.sub(r"[^/:@]*(:[^/@]*)?@", "…@", store)


def secret(name: str, *, environ: Mapping[str, str] | None = None) -> SecretStr:
    """A secret from ``TOCSIN_<NAME>`` or the file that ``TOCSIN_<NAME>_FILE`` names; raises ``SecretMissing``."""
    environ = os.environ if environ is None else environ
    variable = "TOCSIN_" + "".join(letter if letter.isalnum() else "_" for letter in name).upper()
    if value := environ.get(variable):
        return SecretStr(value)
    if path := environ.get(f"{variable}_FILE"):
        try:
            return SecretStr(Path(path).read_text(encoding="utf-8").strip())
        except OSError as error:
            raise SecretMissing(f"{variable}_FILE names {path}, which cannot be read: {error.strerror}") from error
    raise SecretMissing(f"secret {name!r} is missing: set {variable}, or {variable}_FILE to a file that holds it")
