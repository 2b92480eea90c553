"""``tocsin check``: is the configuration right? Every finding names the thing and the next step, and shows no secret."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import TYPE_CHECKING

import typer

from pipeline.cli.frame import WRONG, ConfigOption, JsonOption, config_of, fail
from pipeline.cli.render import print_json, print_table
from pipeline.errors import ConfigError, TocsinError
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.config import Config, SourceSettings


class Verdict(StrEnum):
    """What a finding means."""

    OK = "ok"
    NOTE = "note"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``detail`` says what was found and, unless all is well, what to do."""

    verdict: Verdict
    what: str
    detail: str


def report(findings: Iterator[Finding], *, as_json: bool, wrong: int) -> None:
    """Print findings; ends with ``wrong`` when one of them is."""
    found = list(findings)
    if as_json:
        for finding in found:
            print_json(finding)
    else:
        print_table(("", "what", "found"), [(f.verdict, f.what, f.detail) for f in found], wide=("found",), wrap=True)
    if any(finding.verdict is Verdict.WRONG for finding in found):
        fail(wrong)


def looked_at(what: str, look: Callable[[], str]) -> Finding:
    """The finding of one look: its words when all is well, our error's words when not."""
    try:
        return Finding(Verdict.OK, what, look())
    except TocsinError as error:
        return Finding(Verdict.WRONG, what, str(error))


def check(ctx: typer.Context, as_json: JsonOption = False, config: ConfigOption = None) -> None:
    """Whether the configuration is right.

    Names, secrets, files, model, store, and each query at each source. Ends with 2 when something is wrong. Nothing is fetched and no secret is shown.

    \b
    Example:
      tocsin check --config staging.toml
    """
    from pipeline import config as settings

    path = config_of(ctx, config)
    report(findings(settings.load(path), str(path)), as_json=as_json, wrong=WRONG)


def findings(config: Config, name: str) -> Iterator[Finding]:
    """Everything ``tocsin check`` looks at."""
    pairs = config.pairs()
    size = f"{counted(len(config.brand), 'brand')}, {counted(len(config.query), 'query', 'queries')}, {counted(len(config.source), 'source')}"
    yield Finding(Verdict.OK, "configuration", f"{name}: {size}")
    if not pairs:
        yield Finding(Verdict.NOTE, "queries", "nothing is listened to: add a [[query]] and a [[source]]")
    yield from _secrets(config)
    yield from _markets(config)
    for source in config.source:
        yield looked_at(f"source {source.name}", partial(_source, source, config))
    yield looked_at("model", lambda: _model(config))
    yield from store_findings(config)


def _secrets(config: Config) -> Iterator[Finding]:
    from pipeline.config import secrets_needed

    for name, use in secrets_needed(config).items():
        yield looked_at(f"secret {name}", partial(_secret, name, use))


def _secret(name: str, use: str) -> str:
    from pipeline.config import secret

    secret(name)
    return f"there, for {use}"


def _markets(config: Config) -> Iterator[Finding]:
    """Names of countries that the holiday calendar does not know would silently mean 'no holidays'."""
    used = {f"market {market} of brand {brand.name}": market for brand in config.brand for market in brand.markets}
    used |= {f"[market.{name}]": hours.holidays or name for name, hours in config.market.items()}
    if config.hours.holidays:
        used["[hours] holidays"] = config.hours.holidays
    unknown = [Finding(Verdict.WRONG, what, problem) for what, code in used.items() if (problem := _unknown(code))]
    yield from unknown
    if used and not unknown:
        codes = sorted(set(used.values()))
        yield Finding(Verdict.OK, "holidays", ", ".join(codes))
    named = {market for brand in config.brand for market in brand.markets}
    for name in config.market:
        if name not in named:
            yield Finding(Verdict.NOTE, f"[market.{name}]", f'no brand names it; add "{name}" to a brand\'s markets')


def _unknown(country: str) -> str:
    import difflib

    import holidays

    known = holidays.list_supported_countries()
    code, _, region = country.partition("-")
    if code not in known:
        near = difflib.get_close_matches(code, [*known], n=3, cutoff=0.3)
        return f"no holiday calendar is called {code!r}; use a country code like {', '.join(near) or 'DE, GB, TR'}"
    if region and region not in known[code]:
        return f"{code} has no region {region!r}; known: {', '.join(known[code]) or 'none'}"
    return ""


def _source(source: SourceSettings, config: Config) -> str:
    """What a source would do; raises ``ConfigError`` when it cannot."""
    from pipeline import query as queries
    from pipeline.config import FilesSource, HackerNewsSource, ReplaySource, XSource

    listened = {query for name, query in config.pairs() if name == source.name}
    asked = [query for query in config.queries() if query.name in listened]
    match source:
        case FilesSource(paths=paths):
            return counted(len(list(_readable(paths))), "file")
        case ReplaySource(path=path):
            if path is not None and not path.exists():
                raise ConfigError(f"{path} is not there; leave path out for the bundled posts")
            return f"replays at {source.speed:g} times real time"
        case XSource(query_length=length):
            syntax = queries.x_syntax(length)
        case HackerNewsSource():
            syntax = queries.ALGOLIA
        case _:
            return f"{counted(len(source.urls), 'feed')}, {counted(len(asked), 'query', 'queries')}"
    searches = sum(len(queries.compile_query(query, syntax)) for query in asked)
    return f"{counted(len(asked), 'query', 'queries')} as {counted(searches, 'search', 'searches')}"


def _readable(paths: tuple[str, ...]) -> Iterator[str]:
    for pattern in paths:
        found = glob.glob(pattern, recursive=True)
        if not found:
            raise ConfigError(f"{pattern} is not there; correct paths in tocsin.toml")
        for path in found:
            if not os.access(path, os.R_OK):
                raise ConfigError(f"{path} cannot be read; give this user read permission")
            yield path


def _model(config: Config) -> str:
    from pipeline import app

    return app.live_classifier(config).version


def store_findings(config: Config) -> Iterator[Finding]:
    """What is wrong with the store, if anything."""
    from pipeline import app

    try:
        app.make_home(config)
        store = app.store_of(config)
        problems = store.check()
        store.close()
    except TocsinError as error:
        problems = [str(error)]
    for problem in problems:
        yield Finding(Verdict.WRONG, "store", problem)
    if not problems:
        yield Finding(Verdict.OK, "store", f"{config.store} is in order")
