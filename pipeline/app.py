"""The composition root: from ``tocsin.toml`` to sources, store, model, notifiers and clock. The only place with a clock."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TextIO, TypeVar

from pipeline import config as settings
from pipeline.errors import ConfigError, ModelRefused, SecretMissing
from pipeline.escalation.links import Links
from pipeline.flows import Tocsin
from pipeline.landing import LandingZone

if TYPE_CHECKING:
    from pipeline.ports import Classifier, Models, Notifier, Source, Store

Settings = TypeVar("Settings")
Thing = TypeVar("Thing")
DEFAULT_CONFIG = "tocsin.toml"


def now() -> datetime:
    """The present, aware UTC."""
    return datetime.now(UTC)


def config_path(path: Path | None = None) -> Path:
    """The configuration to use: the one given, ``TOCSIN_CONFIG``, or ``tocsin.toml`` here."""
    return path or Path(os.environ.get("TOCSIN_CONFIG", DEFAULT_CONFIG))


def assemble(path: Path | None = None, *, clock: Callable[[], datetime] = now) -> Tocsin:
    """The product as one configuration describes it; raises ``ConfigError``, ``StoreRefused``.

    The model is loaded when it is first needed: collecting and serving pages do without it.
    """
    return from_config(settings.load(config_path(path)), clock=clock)


def from_config(config: settings.Config, *, clock: Callable[[], datetime] = now) -> Tocsin:
    """As ``assemble``, from settings at hand."""
    make_home(config)
    return Tocsin(
        config=config,
        store=store_of(config),
        landing=LandingZone(_beneath(config.home, config.landing)),
        sources=_Made({source.name: source for source in config.source}, source_of),
        queries={query.name: query for query in config.queries()},
        classifier=lambda: live_classifier(config),
        notifiers=_Made(
            {channel.name: channel for channel in config.channel}, lambda channel: notifier_of(channel, clock)
        ),
        clock=clock,
        files=file_source,
        links=lru_cache(maxsize=1)(lambda: links_of(config)),
        heartbeat=heartbeat_of(config, clock),
    )


def links_of(config: settings.Config) -> Links:
    """The links that acknowledge, signed with the secret ``link_key``, or with a key that is made once and kept in home."""
    try:
        key = settings.secret("link_key").get_secret_value()
    except SecretMissing:
        key = _kept_key(config.home / "link_key")
    return Links(key, config.web.address)


def _kept_key(path: Path) -> str:
    """The key in a file that only its owner reads, made with the first link; raises ``ConfigError``."""
    try:
        with suppress(FileExistsError), _made_whole(path) as file:
            file.write(secrets.token_urlsafe(32))
        return path.read_text(encoding="ascii")
    except OSError as error:
        raise ConfigError(f"{path} cannot be used: {error.strerror}; set the secret link_key instead") from error


@contextmanager
def _made_whole(path: Path) -> Iterator[TextIO]:
    """A new file that others see whole or not at all; raises ``FileExistsError`` where one is."""
    if path.exists():
        raise FileExistsError(path)
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            yield file
        os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


class _Made(Mapping[str, Thing], Generic[Settings, Thing]):
    """Adapters by name, made when first asked for: a secret that is missing stops its own source or channel, no other."""

    def __init__(self, settings: Mapping[str, Settings], make: Callable[[Settings], Thing]) -> None:
        self._settings, self._make = settings, make
        self._things: dict[str, Thing] = {}

    def __getitem__(self, name: str) -> Thing:
        if name not in self._things:
            self._things[name] = self._make(self._settings[name])
        return self._things[name]

    def __contains__(self, name: object) -> bool:
        return name in self._settings

    def __iter__(self) -> Iterator[str]:
        return iter(self._settings)

    def __len__(self) -> int:
        return len(self._settings)


def make_home(config: settings.Config) -> None:
    """The folder in which everything relative lies; raises ``ConfigError``."""
    try:
        config.home.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"home {config.home} cannot be made: {error.strerror}; set home in tocsin.toml, or TOCSIN_HOME"
        ) from error


def store_of(config: settings.Config, *, read_only: bool = False, migrate: bool = True) -> Store:
    """The store that ``store = "sqlite:path"`` or ``"elasticsearch:https://host:9200"`` names; without ``migrate`` its
    layout stays as it is found."""
    kind, _, where = config.store.partition(":")
    if not where or kind not in {"sqlite", "elasticsearch"}:
        raise ConfigError(
            f'store = {settings.printable(config.store)!r}: use "sqlite:PATH" (or "sqlite::memory:"), or "elasticsearch:https://HOST:9200"'
        )
    if kind == "elasticsearch":
        return elastic_store(where, config, read_only=read_only, migrate=migrate)
    from pipeline.stores.sqlite import SqliteStore

    path = where if where == ":memory:" else Path(_beneath(config.home, where))
    return SqliteStore(path, read_only=read_only, migrate=migrate)


def elastic_store(url: str, config: settings.Config, *, read_only: bool, migrate: bool) -> Store:
    """The store in a cluster; raises ``SecretMissing``, but where a cluster on this machine asks for no key."""
    from pipeline.stores.elastic import ElasticStore

    try:
        key = settings.secret("elasticsearch_api_key").get_secret_value()
    except SecretMissing:
        if "elasticsearch_api_key" in settings.secrets_needed(config):
            raise
        key = None
    reach = config.elasticsearch
    ca = None if reach.ca is None else Path(_beneath(config.home, str(reach.ca)))
    return ElasticStore(
        url,
        prefix=reach.prefix,
        api_key=key,
        ca=ca,
        fingerprint=reach.fingerprint,
        allow_plain=reach.allow_plain,
        read_only=read_only,
        migrate=migrate,
    )


def source_of(source: settings.SourceSettings) -> Source:
    """The adapter of one ``[[source]]``; raises ``SecretMissing``."""
    match source:
        case settings.ReplaySource():
            from pipeline.sources.replay import ReplaySource

            return ReplaySource(source, paths=corpus())
        case settings.FilesSource():
            from pipeline.sources.files import FilesSource

            return FilesSource(source.name, source.paths, source.columns)
        case settings.RssSource():
            from pipeline.sources.rss import RssSource

            return RssSource(source)
        case settings.HackerNewsSource():
            from pipeline.sources.hackernews import HackerNewsSource

            return HackerNewsSource(source)
        case settings.XSource():
            from pipeline.sources.x import XSource

            return XSource(source, settings.secret("x_bearer_token"))


def file_source(name: str, paths: Sequence[str], columns: Mapping[str, str]) -> Source:
    """The adapter of files that are imported rather than listened to."""
    from pipeline.sources.files import FilesSource

    return FilesSource(name, tuple(paths), columns, whole=True)


def notifier_of(channel: settings.ChannelSettings, clock: Callable[[], datetime]) -> Notifier:
    """The adapter of one ``[[channel]]``; raises ``SecretMissing``."""
    match channel:
        case settings.ConsoleChannel():
            from pipeline.notifiers.console import ConsoleNotifier

            return ConsoleNotifier(name=channel.name)
        case settings.WebhookChannel():
            from pipeline.notifiers.webhook import WebhookNotifier

            return WebhookNotifier(channel, settings.secret(f"webhook_{channel.name}"), clock)
        case settings.AppriseChannel():
            from pipeline.notifiers.apprise import AppriseNotifier

            return AppriseNotifier(channel, settings.secret(f"apprise_{channel.name}"))


def heartbeat_of(config: settings.Config, clock: Callable[[], datetime]) -> Callable[[], None] | None:
    """The sign of life that ``[silence] heartbeat`` asks for; raises ``SecretMissing`` when it is due."""
    if not config.silence.heartbeat:
        return None

    def beat() -> None:
        from pipeline.notifiers.heartbeat import Heartbeat

        Heartbeat(settings.secret("heartbeat"), clock, allow_private=config.silence.allow_private)()

    return beat


def live_classifier(config: settings.Config) -> Classifier:
    """The version that is live now, loaded once; raises ``ModelRefused``."""
    own = models_of(config)
    try:
        promoted = bool(own.promotions())
    except ModelRefused:  # the version that is loaded goes on answering, or else it says what is wrong
        promoted = True
    return own.classifier() if promoted else classifier(config.model)


def models_of(config: settings.Config) -> Models:
    """The versions of the models beside the store; what is live is asked for when it is needed."""
    return _models(_beneath(config.home, config.models), config.home / "fetched-models", config.model)


@lru_cache(maxsize=4)
def _models(url: str, cache: Path, base: Path | None) -> Models:
    from pipeline.learn import OwnModels

    return OwnModels(url, cache=cache, base=base)


@lru_cache(maxsize=2)
def classifier(path: Path | None = None) -> Classifier:
    """The model in a folder, the shipped starter by default; raises ``ModelRefused``."""
    import models

    try:
        return models.load(path)
    except models.ArtefactError as error:
        raise ModelRefused(str(error)) from error


def train(data: Path, out: Path, *, version: str, progress: Callable[[str, float], None]) -> object:
    """Train a model from the data in a folder; returns the report that prints itself.

    Raises ``ConfigError`` for a model that may not stand where it is told to, ``ModelRefused``.
    """
    import models
    from models.train import train as fit

    try:
        return fit(data, out, progress=progress, version=version)
    except ValueError as error:
        raise ConfigError(str(error)) from error
    except models.ArtefactError as error:
        raise ModelRefused(str(error)) from error


def corpus() -> tuple[Path, ...]:
    """The bundled posts about invented brands."""
    import models

    return tuple(sorted((Path(models.__file__).parent / "authored").glob("*.jsonl")))


def _beneath(home: Path, where: str) -> str:
    """Relative paths lie in the home folder; absolute ones and URLs stay."""
    return where if "://" in where or Path(where).is_absolute() else str(home / where)
