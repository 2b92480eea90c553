"""``tocsin.toml`` and secrets: the one place where a person's settings are checked and turned into ours."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from pipeline.domain import Category, Priority, Query, Urgency
from pipeline.errors import ConfigError, SecretMissing

IMPORT = "import"
"""The query of a batch that came from a file, and of its posts that no configured query matches."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
Minutes = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]  # the order is by its logarithm
Name = Annotated[str, Field(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f/\\]+$")]


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Brand(_Settings):
    """A name people talk about, and how they write it."""

    name: Name
    aliases: tuple[str, ...] = ()
    misspellings: tuple[str, ...] = ()
    handles: tuple[str, ...] = ()
    own_accounts: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    markets: tuple[str, ...] = ()


class QuerySettings(_Settings):
    """What to listen for; empty ``any`` means the brand's names, aliases, misspellings and handles."""

    name: Name
    brand: str
    any: tuple[str, ...] = ()
    all: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


class _SourceSettings(_Settings):
    name: Name
    pages: Annotated[int, Field(ge=1, le=1000)] = 10
    timeout: Annotated[float, Field(gt=0, le=120)] = 20.0


class ReplaySource(_SourceSettings):
    """The bundled corpus, told again at ``speed`` times real time, with a crisis planted in it."""

    kind: Literal["replay"]
    path: Path | None = None
    speed: Annotated[float, Field(gt=0)] = 60.0


class FilesSource(_SourceSettings):
    """JSON Lines or CSV files; ``columns`` maps our field names to theirs."""

    kind: Literal["files"]
    paths: tuple[str, ...]
    columns: Mapping[str, str] = {}


class RssSource(_SourceSettings):
    """RSS and Atom feeds; ``{query}`` in a URL is replaced by the query's words."""

    kind: Literal["rss"]
    urls: tuple[str, ...]


class HackerNewsSource(_SourceSettings):
    """Hacker News stories and comments through Algolia's search API."""

    kind: Literal["hackernews"]
    base_url: str = "https://hn.algolia.com/api/v1"


class XSource(_SourceSettings):
    """X's recent search; the bearer token is the secret ``x_bearer_token``."""

    kind: Literal["x"]
    base_url: str = "https://api.x.com"
    query_length: Annotated[int, Field(ge=64)] = 512


SourceSettings = Annotated[
    ReplaySource | FilesSource | RssSource | HackerNewsSource | XSource, Field(discriminator="kind")
]


class Hours(_Settings):
    """Business hours of a market: local opening and closing on its working days, less its public holidays."""

    timezone: str = "UTC"
    days: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri")
    opens: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "09:00"
    closes: Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")] = "18:00"
    holidays: str | None = None

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"no time zone {value!r}; use one like 'Europe/Berlin'") from error
        return value

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Hours:
        if self.opens >= self.closes:
            raise ValueError(f"opens {self.opens} is not before closes {self.closes}")
        return self


class Target(_Settings):
    """First response within ``minutes`` in business hours; ``outside_minutes`` by the clock for posts that come outside
    them (without it, the minutes start to count when business opens)."""

    minutes: Minutes
    outside_minutes: Minutes | None = None


class Sla(_Settings):
    """Targets by priority: within ``minutes`` in business hours, within ``outside_minutes`` outside them."""

    P1: Target = Target(minutes=15, outside_minutes=15)
    P2: Target = Target(minutes=60, outside_minutes=720)
    P3: Target = Target(minutes=240)
    P4: Target = Target(minutes=1440)


class Weights(_Settings):
    """What a minute of waiting costs, by class, and how far multipliers may go."""

    crisis: Weight = 20.0
    complaint: Weight = 5.0
    request: Weight = 3.0
    question: Weight = 2.0
    other: Weight = 0.2
    critical: Weight = 10.0
    high: Weight = 8.0
    normal: Weight = 1.0
    low: Weight = 0.1
    crisis_lane: Annotated[float, Field(gt=0, le=1)] = 0.35
    grave: Annotated[float, Field(gt=0, le=1)] = 0.8
    handling_minutes: Minutes = 6.0
    vip: tuple[str, ...] = ()


class PriorityTable(_Settings):
    """P1..P4 by urgency; ``category`` overrides rows for a category."""

    critical: Priority = Priority.P1
    high: Priority = Priority.P2
    normal: Priority = Priority.P3
    low: Priority = Priority.P4
    category: Mapping[Category, Mapping[Urgency, Priority]] = {}

    def of(self, urgency: Urgency, category: Category) -> Priority:
        """The priority of one cell."""
        row: Priority = getattr(self, urgency)
        override = self.category.get(category, {}).get(urgency)
        return override or row


class Team(_Settings):
    """Who works on what."""

    name: Name
    members: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    brands: tuple[str, ...] = ()


class ConsoleChannel(_Settings):
    """Notices on the log of the ``watch`` process."""

    kind: Literal["console"]
    name: Name = "console"


class WebhookChannel(_Settings):
    """Notices as signed JSON by POST (Standard Webhooks); the key is the secret ``webhook_<name>``."""

    kind: Literal["webhook"]
    name: Name = "webhook"
    url: str
    allow_private: bool = False
    timeout: Annotated[float, Field(gt=0, le=60)] = 10.0


ChannelSettings = Annotated[ConsoleChannel | WebhookChannel, Field(discriminator="kind")]


class Schedule(_Settings):
    """When the DAGs run (cron)."""

    listen: str = "*/5 * * * *"
    watch: str = "* * * * *"
    keep: str = "17 3 * * *"


class Keep(_Settings):
    """How many whole calendar months of posts are kept besides the running one; without ``months``, all for good."""

    months: Annotated[int, Field(ge=1, le=1200)] | None = None


class Web(_Settings):
    """Where the pages are served. ``address`` is what notices link to."""

    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8600
    address: str = "http://127.0.0.1:8600"
    responders: tuple[str, ...] = ("Ana", "Ben")
    claim_minutes: Minutes = 15.0


class Elasticsearch(_Settings):
    """How a store ``elasticsearch:https://HOST:9200`` is reached: the beginning of its indices' names, and whom to trust.

    ``ca`` is a file of certificates, ``fingerprint`` the sha256 of the cluster's own. The key is the secret
    ``elasticsearch_api_key``. ``allow_plain`` lets it and every post travel in the clear.
    """

    prefix: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,63}$")] = "tocsin"
    ca: Path | None = None
    fingerprint: Annotated[str, Field(pattern=r"^[0-9A-Fa-f:]{64,95}$")] | None = None
    allow_plain: bool = False


class Config(_Settings):
    """All of ``tocsin.toml``."""

    store: str = "sqlite:tocsin.db"
    landing: str = "landing"
    model: Path | None = None
    fold_days: Annotated[float, Field(gt=0)] = 7.0
    brand: tuple[Brand, ...] = ()
    query: tuple[QuerySettings, ...] = ()
    source: tuple[SourceSettings, ...] = ()
    hours: Hours = Hours()
    market: Mapping[str, Hours] = {}
    sla: Sla = Sla()
    weights: Weights = Weights()
    priority: PriorityTable = PriorityTable()
    team: tuple[Team, ...] = ()
    channel: tuple[ChannelSettings, ...] = (ConsoleChannel(kind="console"),)
    schedule: Schedule = Schedule()
    keep: Keep = Keep()
    web: Web = Web()
    elasticsearch: Elasticsearch = Elasticsearch()
    home: Path = Path(".tocsin")

    @model_validator(mode="after")
    def _names_refer(self) -> Config:
        for what, names in (
            ("brand", [b.name for b in self.brand]),
            ("query", [q.name for q in self.query]),
            ("source", [s.name for s in self.source]),
            ("channel", [c.name for c in self.channel]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"two [[{what}]] are called {name!r}; give each its own name")
        for query in self.query:
            if query.name == IMPORT:
                raise ValueError(f"a query cannot be called {IMPORT!r}: that is what imported files are listed under")
            _known("brand", query.brand, [b.name for b in self.brand], f"query {query.name!r}")
            for source in query.sources:
                _known("source", source, [s.name for s in self.source], f"query {query.name!r}")
        return self

    def brand_named(self, name: str) -> Brand | None:
        """The settings of a brand, if it is configured."""
        return next((brand for brand in self.brand if brand.name == name), None)

    def queries(self) -> list[Query]:
        """Every query with its brand's names, exclusions and accounts filled in."""
        return [self._filled(query) for query in self.query]

    def pairs(self) -> list[tuple[str, str]]:
        """Each (source, query) to collect, by name."""
        return [
            (source.name, query.name)
            for source in self.source
            for query in self.query
            if not query.sources or source.name in query.sources
        ]

    def _filled(self, query: QuerySettings) -> Query:
        brand = self.brand_named(query.brand)
        assert brand is not None  # _names_refer has checked it
        names = (brand.name, *brand.aliases, *brand.misspellings, *(f"@{handle}" for handle in brand.handles))
        return Query(
            name=query.name,
            brand=brand.name,
            any=query.any or tuple(dict.fromkeys(names)),
            all=query.all,
            none=(*brand.exclude, *query.none),
            handles=brand.handles,
            own_accounts=brand.own_accounts or brand.handles,
            languages=query.languages or brand.languages,
        )


def _known(what: str, name: str, names: list[str], where: str) -> None:
    if name not in names:
        raise ValueError(f"{where} names the {what} {name!r}, which is not configured{_nearest(name, names)}")


def _nearest(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    return f"; did you mean {near[0]!r}?" if near else (f"; known: {', '.join(sorted(names))}" if names else "")


def load(path: Path) -> Config:
    """The configuration in a file; raises ``ConfigError`` naming every wrong line's key and the next step."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{path} is not there; start from the documented tocsin.toml, or name one with --config"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from error
    home = Path(os.environ.get("TOCSIN_HOME") or data.get("home") or ".tocsin")
    data["home"] = home if home.is_absolute() else path.resolve().parent / home
    if (address := os.environ.get("TOCSIN_WEB_ADDRESS")) and isinstance(data.get("web", {}), dict):
        data["web"] = {**data.get("web", {}), "address": address}
    return parse(data, name=str(path))


def parse(data: Mapping[str, Any], *, name: str = "tocsin.toml") -> Config:
    """The configuration in parsed TOML; raises ``ConfigError``."""
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise ConfigError(f"{name}: " + "\n".join(lines)) from error


def _explain(problem: Any) -> str:
    """One problem in a person's words; an unknown key names the nearest valid one."""
    location = [part for part in problem["loc"] if part not in _KINDS]
    where = ".".join(str(part + 1) if isinstance(part, int) else str(part) for part in location)
    if problem["type"] == "extra_forbidden":
        return f"{where}: unknown key{_nearest(str(location[-1]), _keys_at(problem['loc'][:-1]))}"
    return f"{where or 'the file'}: {problem['msg'].removeprefix('Value error, ')}"


_KINDS: dict[str, type[_Settings]] = {
    "replay": ReplaySource, "files": FilesSource, "rss": RssSource, "hackernews": HackerNewsSource, "x": XSource,
    "console": ConsoleChannel, "webhook": WebhookChannel,
}  # fmt: skip
_TABLES: dict[str, type[_Settings]] = {
    "brand": Brand, "query": QuerySettings, "hours": Hours, "market": Hours, "sla": Sla, "weights": Weights,
    "priority": PriorityTable,
    "team": Team, "schedule": Schedule, "keep": Keep, "web": Web,
    "elasticsearch": Elasticsearch, "P1": Target, "P2": Target, "P3": Target, "P4": Target,
}  # fmt: skip


def _keys_at(location: tuple[Any, ...]) -> list[str]:
    settings: type[_Settings] = Config
    for part in location:
        settings = _TABLES.get(part) or _KINDS.get(part) or settings
    return list(settings.model_fields)


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


def secrets_needed(config: Config) -> dict[str, str]:
    """The secrets this configuration needs, and what for."""
    needed: dict[str, str] = {}
    for source in config.source:
        if source.kind == "x":
            needed["x_bearer_token"] = f"source {source.name!r}"
    for channel in config.channel:
        if channel.kind == "webhook":
            needed[f"webhook_{channel.name}"] = f"channel {channel.name!r}"
    if config.store.startswith("elasticsearch:https:"):
        needed["elasticsearch_api_key"] = "the store"
    return needed
