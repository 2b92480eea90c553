"""How unlikely a count is: upper tails of the negative binomial and the beta-binomial, by their own recursions.

Written out, because a watch starts every minute and importing a library of distributions takes longer than its look.
"""

from __future__ import annotations

from math import exp, lgamma, log, log1p

NEGLIGIBLE = 1e-12  # of the sum so far: what further terms may add

POISSON = 1e-9
"""A dispersion below this is none: the negative binomial is taken with so little."""


def count_tail(observed: int, expected: float, dispersion: float) -> float:
    """P(Y >= observed) for a count with this mean and the variance ``expected + dispersion * expected**2``."""
    if observed <= 0:
        return 1.0
    if expected <= 0:
        return 0.0
    size = 1 / max(dispersion, POISSON)
    share = expected / (expected + size)
    if observed <= expected:  # the shorter way round, where nothing is lost to cancellation
        return max(0.0, 1.0 - _climb(0, observed, size, share))
    return min(1.0, _climb(observed, None, size, share))


def fewest(expected: float, dispersion: float, chance: float) -> int:
    """The smallest count whose tail is not above ``chance``: from here on a count is unlikely."""
    low, high = 0, 1
    while count_tail(high, expected, dispersion) > chance:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if count_tail(middle, expected, dispersion) > chance:
            low = middle
        else:
            high = middle
    return high


def silence_chance(expected: float, dispersion: float) -> float:
    """P(Y = 0)."""
    size = 1 / max(dispersion, POISSON)
    return exp(-size * log1p(expected / size))


def share_tail(part: int, whole: int, share: float, correlation: float) -> float:
    """P(K >= part) of ``whole`` posts, each with this probability on average, alike by ``correlation`` (0..1).

    Beta-binomial with mean ``share`` and intra-class correlation ``correlation`` (Skellam 1948).
    """
    if part <= 0:
        return 1.0
    pool = 1 / min(max(correlation, 1e-6), 0.999) - 1
    a, b = share * pool, (1 - share) * pool
    start = (
        lgamma(whole + 1)
        - lgamma(part + 1)
        - lgamma(whole - part + 1)
        + _beta(part + a, whole - part + b)
        - _beta(a, b)
    )
    term = total = exp(start)
    for k in range(part, whole):
        term *= (whole - k) / (k + 1) * (k + a) / (whole - k - 1 + b)
        total += term
    return min(1.0, total)


def _beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)


def _climb(start: int, end: int | None, size: float, share: float) -> float:
    """The probabilities of counts from ``start`` up to and without ``end``, or until they add nothing."""
    term = total = exp(
        lgamma(start + size) - lgamma(size) - lgamma(start + 1) + size * log1p(-share) + start * log(share)
    )
    count = start
    while (end is None or count + 1 < end) and (end is not None or term > total * NEGLIGIBLE):
        term *= share * (count + size) / (count + 1)
        count += 1
        total += term
    return total
