"""The campaign calendar: how many times the usual a brand expects in each hour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, time, timedelta, tzinfo

import numpy as np

from pipeline.config import Campaign
from pipeline.detection.baseline import Array, Hours, hour_of


def factors(campaigns: Iterable[Campaign], brand: str, hours: Hours, zone: tzinfo) -> Array:
    """The factor of each hour since 1970; campaigns that overlap multiply. Days begin and end at midnight in ``zone``."""
    found = np.ones(len(hours))
    for campaign in campaigns:
        if campaign.brand == brand:
            since = hour_of(_moment(campaign.since, zone))
            until = hour_of(_moment(campaign.until, zone, whole=timedelta(days=1)))
            found[(hours >= since) & (hours < until)] *= campaign.factor
    return found


def _moment(given: datetime | date, zone: tzinfo, *, whole: timedelta = timedelta(0)) -> datetime:
    """A moment as it is; of a day its beginning, or the beginning of the day after."""
    if isinstance(given, datetime):
        return given
    return datetime.combine(given + whole, time(), zone)
