"""Posts that came from a file: whose each of them is, and how that travels with them through the landing zone.

A file knows no query. What a post belongs to is found from the whole file (the configured queries, the brand accounts that
answer in its threads) and landed with the post, so that a batch can be triaged again without the file.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from pipeline.collect import Parsed, plausible
from pipeline.config import IMPORT, Brand
from pipeline.domain import Batch, DeadLetter, Mention, Query, Raw
from pipeline.errors import BadRecord
from pipeline.ports import Source
from pipeline.query import Matcher

NO_BRAND = "imported"
"""The brand of a post that neither a query nor a brand account claims."""

ENVELOPE = "tocsin"
"""The key under which a landed record carries whose it is; its other keys are the file's own."""

_HANDLE = re.compile(r"@(\w+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """Whose a post is. ``ours`` is false for a post that the query asked for does not match."""

    brand: str = NO_BRAND
    query: str = IMPORT
    ours: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """What may claim a post: the configured queries and brands, or only the one a person has named."""

    queries: Sequence[Query] = ()
    brands: Sequence[Brand] = ()
    brand: str | None = None
    query: str | None = None


def owners(posts: Sequence[Mention], claims: Claims) -> dict[str, Owner]:
    """Whose each post is, by mention id.

    The brand a person has named; else the configured brand whose query matches; else the brand account of the thread: the
    own account that answers in it most, or the first own account that is mentioned; else ``NO_BRAND``.
    """
    if claims.query is not None:
        return _of_one_query(posts, claims)
    if claims.brand is not None:
        return {post.id: _owner_named(claims.brand, claims) for post in posts}
    matchers = [(query, Matcher(query)) for query in claims.queries]
    accounts = {post.author.handle.lower(): post.author.handle for post in posts if post.own}
    by_account = {account: _owner_of_account(handle, claims) for account, handle in accounts.items()}
    threads = _threads(posts)
    found: dict[str, Owner] = {}
    for thread in threads.values():
        account = _brand_account(thread, accounts)
        default = by_account[account] if account else Owner()
        for post in thread:
            matched = (
                None if post.own else next((query for query, matcher in matchers if matcher.match(post.text)), None)
            )
            found[post.id] = Owner(brand=matched.brand, query=matched.name) if matched else default
    return found


def _of_one_query(posts: Sequence[Mention], claims: Claims) -> dict[str, Owner]:
    """A post is ours when the query matches it or another post of its thread."""
    query = next(query for query in claims.queries if query.name == claims.query)
    matcher = Matcher(query)
    ours, other = Owner(brand=query.brand, query=query.name), Owner(ours=False)
    found: dict[str, Owner] = {}
    for thread in _threads(posts).values():
        heard = any(matcher.match(post.text) for post in thread)
        found |= {post.id: ours if heard else other for post in thread}
    return found


def _owner_named(brand: str, claims: Claims) -> Owner:
    query = next((query.name for query in claims.queries if query.brand == brand), IMPORT)
    return Owner(brand=brand, query=query)


def _owner_of_account(handle: str, claims: Claims) -> Owner:
    for brand in claims.brands:
        if handle.lower() in {account.lower().lstrip("@") for account in (*brand.own_accounts, *brand.handles)}:
            return _owner_named(brand.name, claims)
    return Owner(brand=handle)


def _threads(posts: Sequence[Mention]) -> dict[str, list[Mention]]:
    """The posts of each thread in the file's order, by the id their replies lead back to."""
    parents = {post.id: post.in_reply_to for post in posts if post.in_reply_to}
    threads: dict[str, list[Mention]] = defaultdict(list)
    roots: dict[str, str] = {}
    for post in posts:
        path, place = [], post.id
        while place in parents and place not in roots and place not in path:
            path.append(place)
            place = parents[place]
        root = roots.get(place, place)
        roots |= dict.fromkeys(path, root)
        threads[root].append(post)
    return threads


def _brand_account(thread: Iterable[Mention], accounts: Mapping[str, str]) -> str | None:
    answers: Counter[str] = Counter()
    mentioned = None
    for post in thread:
        if post.own:
            answers[post.author.handle.lower()] += 1
        elif mentioned is None:
            handles = (handle.lower() for handle in _HANDLE.findall(post.text))
            mentioned = next((handle for handle in handles if handle in accounts), None)
    return answers.most_common(1)[0][0] if answers else mentioned


# --- through the landing zone -----------------------------------------------------------------------------------------


def enveloped(raw: Raw, owner: Owner, columns: Mapping[str, str]) -> Raw:
    """A record to land: the file's own keys, our names for the columns a person has named, and whose it is."""
    named = {ours: raw[theirs] for ours, theirs in columns.items() if theirs in raw}
    return {**raw, **named, ENVELOPE: {"brand": owner.brand, "query": owner.query, "ours": owner.ours}}


def parse_import(source: Source, records: Sequence[Raw | str], *, batch: Batch, now: datetime) -> Parsed:
    """The mentions of a landed import; bad records become dead letters, posts that are not ours are counted."""
    mentions: dict[str, Mention] = {}
    dead_letters: list[DeadLetter] = []
    unmatched = 0
    for position, raw in enumerate(records):
        try:
            if isinstance(raw, str):
                raise BadRecord("not a JSON object")
            owner = _owner_in(raw)
            own_query = Query(name=owner.query, brand=owner.brand, any=())
            mention = plausible(source.parse(_without_envelope(raw), own_query, collected_at=batch.landed_at))
        except BadRecord as error:
            dead_letters.append(
                DeadLetter(
                    id=f"{batch.id}:{position}",
                    source=batch.source,
                    query=batch.query,
                    batch=batch.id,
                    reason=error.reason,
                    raw=raw if isinstance(raw, str) else json.dumps(dict(raw), ensure_ascii=False),
                    at=now,
                )
            )
            continue
        if owner.ours:
            mentions.setdefault(mention.id, replace(mention, tagged=_tagged(mention, owner)))
        else:
            unmatched += 1
    return Parsed(mentions=tuple(mentions.values()), dead_letters=tuple(dead_letters), unmatched=unmatched)


def _owner_in(raw: Raw) -> Owner:
    match raw.get(ENVELOPE):
        case {"brand": str(brand), "query": str(query), "ours": bool(ours)}:
            return Owner(brand=brand, query=query, ours=ours)
        case _:
            raise BadRecord(f"no {ENVELOPE!r} part that says whose it is")


def _without_envelope(raw: Raw) -> Raw:
    return {key: value for key, value in raw.items() if key != ENVELOPE}


def _tagged(mention: Mention, owner: Owner) -> bool:
    return owner.brand.lower() in {handle.lower() for handle in _HANDLE.findall(mention.text)}
