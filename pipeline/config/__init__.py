"""``tocsin.toml`` and secrets: the one place where a person's settings are checked and turned into ours."""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, model_validator

from pipeline.config.base import Settings
from pipeline.config.detecting import Campaign, Detect
from pipeline.config.listening import (
    IMPORT,
    Brand,
    FilesSource,
    HackerNewsSource,
    QuerySettings,
    ReplaySource,
    RssSource,
    SourceSettings,
    XSource,
)
from pipeline.config.running import Elasticsearch, Keep, Schedule, Web
from pipeline.config.secrets import printable, secret
from pipeline.config.telling import (
    AppriseChannel,
    ChainSettings,
    ChannelSettings,
    ConsoleChannel,
    Deadlines,
    OverrideSettings,
    PersonSettings,
    RotaSettings,
    Silence,
    StepSettings,
    WebhookChannel,
    check_names,
)
from pipeline.config.working import Hours, PriorityTable, Sla, Target, Team, Weights
from pipeline.domain import Query
from pipeline.errors import ConfigError

__all__ = [
    "IMPORT",
    "AppriseChannel",
    "Brand",
    "Campaign",
    "ChainSettings",
    "ChannelSettings",
    "Config",
    "ConsoleChannel",
    "Deadlines",
    "Detect",
    "Elasticsearch",
    "FilesSource",
    "HackerNewsSource",
    "Hours",
    "Keep",
    "PersonSettings",
    "PriorityTable",
    "QuerySettings",
    "ReplaySource",
    "RotaSettings",
    "RssSource",
    "Schedule",
    "Silence",
    "Sla",
    "SourceSettings",
    "StepSettings",
    "Target",
    "Team",
    "Web",
    "WebhookChannel",
    "Weights",
    "XSource",
    "load",
    "parse",
    "printable",
    "secret",
    "secrets_needed",
]


class Config(Settings):
    """All of ``tocsin.toml``."""

    store: str = "sqlite:tocsin.db"
    landing: str = "landing"
    model: Path | None = None
    models: str = "models"
    fold_days: Annotated[float, Field(gt=0)] = 7.0
    brand: tuple[Brand, ...] = ()
    query: tuple[QuerySettings, ...] = ()
    source: tuple[SourceSettings, ...] = ()
    hours: Hours = Hours()
    market: Mapping[str, Hours] = {}
    sla: Sla = Sla()
    weights: Weights = Weights()
    priority: PriorityTable = PriorityTable()
    detect: Detect = Detect()
    campaign: tuple[Campaign, ...] = ()
    team: tuple[Team, ...] = ()
    channel: tuple[ChannelSettings, ...] = (ConsoleChannel(kind="console"),)
    person: tuple[PersonSettings, ...] = ()
    rota: tuple[RotaSettings, ...] = ()
    chain: tuple[ChainSettings, ...] = ()
    silence: Silence = Silence()
    deadlines: Deadlines = Deadlines()
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
            ("person", [p.name for p in self.person]),
            ("rota", [r.name for r in self.rota]),
            ("chain", [c.name for c in self.chain]),
            ("team", [t.name for t in self.team]),
        ):
            for name in names:
                if names.count(name) > 1:
                    raise ValueError(f"two [[{what}]] are called {name!r}; give each its own name")
        for campaign in self.campaign:
            _known("brand", campaign.brand, [b.name for b in self.brand], f"campaign {campaign.name!r}")
        for query in self.query:
            if query.name == IMPORT:
                raise ValueError(f"a query cannot be called {IMPORT!r}: that is what imported files are listed under")
            _known("brand", query.brand, [b.name for b in self.brand], f"query {query.name!r}")
            for source in query.sources:
                _known("source", source, [s.name for s in self.source], f"query {query.name!r}")
        return self

    @model_validator(mode="after")
    def _people_and_teams_refer(self) -> Config:
        channels = [c.name for c in self.channel]
        for what, name, known, where in check_names(
            self.person, self.rota, self.chain, channels=channels, teams=self.team
        ):
            _known(what, name, [*known], where)
        for chain in self.chain:
            for name in chain.brands:
                _known("brand", name, [b.name for b in self.brand], f"chain {chain.name!r}")
        for name in self.silence.channels:
            _known("channel", name, channels, "[silence]")
        for name in self.deadlines.channels:
            _known("channel", name, channels, "[deadlines]")
        return self

    @model_validator(mode="after")
    def _teams_are_told_apart(self) -> Config:
        for team in self.team:
            for name in team.brands:
                _known("brand", name, [b.name for b in self.brand], f"team {team.name!r}")
        if len(defaults := [team.name for team in self.team if team.default]) > 1:
            raise ValueError(f"{' and '.join(defaults)} are both the default team; there can be one")
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


_KINDS: dict[str, type[Settings]] = {
    "replay": ReplaySource, "files": FilesSource, "rss": RssSource, "hackernews": HackerNewsSource, "x": XSource,
    "console": ConsoleChannel, "webhook": WebhookChannel, "apprise": AppriseChannel,
}  # fmt: skip


_TABLES: dict[str, type[Settings]] = {
    "brand": Brand, "query": QuerySettings, "hours": Hours, "market": Hours, "sla": Sla, "weights": Weights,
    "priority": PriorityTable, "detect": Detect, "campaign": Campaign,
    "team": Team, "schedule": Schedule, "keep": Keep, "web": Web,
    "person": PersonSettings, "rota": RotaSettings, "chain": ChainSettings, "step": StepSettings, "override": OverrideSettings, "silence": Silence, "deadlines": Deadlines,
    "elasticsearch": Elasticsearch, "P1": Target, "P2": Target, "P3": Target, "P4": Target,
}  # fmt: skip


def _keys_at(location: tuple[Any, ...]) -> list[str]:
    settings: type[Settings] = Config
    for part in location:
        settings = _TABLES.get(part) or _KINDS.get(part) or settings
    return [field.alias or name for name, field in settings.model_fields.items()]


def secrets_needed(config: Config) -> dict[str, str]:
    """The secrets this configuration needs, and what for."""
    needed: dict[str, str] = {}
    for source in config.source:
        if source.kind == "x":
            needed["x_bearer_token"] = f"source {source.name!r}"
    for channel in config.channel:
        if channel.kind == "webhook":
            needed[f"webhook_{channel.name}"] = f"channel {channel.name!r}"
        if channel.kind == "apprise":
            needed[f"apprise_{channel.name}"] = f"channel {channel.name!r}"
    if config.silence.heartbeat:
        needed["heartbeat"] = "the sign of life to another service"
    if config.store.startswith("elasticsearch:https:"):
        needed["elasticsearch_api_key"] = "the store"
    return needed
