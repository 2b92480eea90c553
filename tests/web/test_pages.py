"""Ticket, mentions, incidents, coverage, help and the JSON: what they show, and what they say when there is nothing."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pipeline import respond
from pipeline.domain import EventKind
from pipeline.errors import StoreRefused, StoreUnavailable
from tests.factories import FIRE, NOW, score
from tests.web.conftest import Browser
from tests.web.world import Desk, listening, shift

# --- ticket --------------------------------------------------------------------------------------------------------------


def test_a_ticket_shows_its_conversation_in_order_with_our_answers_marked(desk: Desk, ana: Browser) -> None:
    ids = shift(desk)
    page = ana.get(f"/tickets/{ids['swallowed']}").text
    first, answer, last = (page.index(words) for words in ("Third time writing", "Which branch was it", "I said it in"))
    assert first < answer < last
    assert page.count("our answer") == 1
    assert page.count("ranks this ticket") == 1


def test_a_ticket_prints_why_it_is_here_so_that_one_can_compute_it_again(desk: Desk, ana: Browser) -> None:
    ids = shift(desk)
    rank = desk.store.ticket(ids["drained"]).rank
    page = ana.get(f"/tickets/{ids['drained']}").text
    assert (
        "<strong>unauthorised payment</strong>: “cikti ben yapmadim” raises urgency to at least critical, names a danger"
        in page
    )
    for part in rank.parts:
        assert part.name in page
        assert f"{part.value:.3g}" in page
    assert f"= {rank.cost:.3g}</code>" in page
    assert f"in steps of 5 % = {rank.level}" in page
    assert "model starter 2026-11-21" in page
    assert "Crisis lane: above all else." in page
    assert "crisis: crisis" in page  # the signal's bar
    assert "hala cikiyor para" in page


def test_a_ticket_shows_what_its_author_wrote_before_and_what_became_of_it(desk: Desk, ana: Browser) -> None:
    ids = shift(desk)
    page = ana.get(f"/tickets/{ids['swallowed']}").text
    assert 'href="/tickets/x:777"' in page
    assert "question, answered" in page


def test_reposts_are_counted_where_they_are_folded(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket("the brightly base melted in its box tonight", native="77")
    desk.store.add_mentions(
        [desk.post("RT the brightly base melted in its box tonight", fold="x:77", native=f"r{i}") for i in range(3)], {}
    )
    assert "+3 reposts and near-duplicates by 3 people" in ana.get(f"/tickets/{ticket}").text


def test_a_resolved_ticket_offers_to_reopen_and_nothing_else(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    respond.resolve(desk.store, ticket, "Ben", respond.Resolution.ANSWERED, now=NOW)
    page = ana.get(f"/tickets/{ticket}").text
    assert 'value="reopen"' in page
    assert 'value="claim"' not in page
    assert "resolved: answered" in page


def test_the_history_tells_who_did_what_newest_first(desk: Desk, ana: Browser) -> None:
    ticket = desk.ticket()
    respond.claim(desk.store, ticket, "Ben", minutes=15, now=NOW)
    desk.store.record(ticket, EventKind.NOTED, "Ana", note="rang her", now=NOW)
    page = ana.get(f"/tickets/{ticket}").text
    assert page.index("noted: rang her") < page.index("<strong>Ben</strong> claimed") < page.index("</strong> opened")


def test_an_unknown_ticket_says_where_it_may_have_gone(ana: Browser) -> None:
    answer = ana.get("/tickets/x:nope/%3Cb%3E")
    assert answer.status_code == 404
    assert "x:nope/&lt;b&gt;" in answer.text
    assert "joined to an earlier" in answer.text


def test_a_ticket_whose_posts_were_deleted_still_has_a_page(desk: Desk, ana: Browser) -> None:
    ticket = desk.store.ticket(desk.ticket())
    desk.store.save_tickets([replace(ticket, id="x:gone", mention="x:gone", author="x:gone")])
    page = ana.get("/tickets/x:gone")
    assert page.status_code == 200
    assert "The posts are gone" in page.text


def test_a_long_conversation_folds_its_beginning(desk: Desk, ana: Browser) -> None:
    posts = [
        desk.post(f"still broken, day {i}", conversation="x:1", handle="eva", minutes_ago=200 - i) for i in range(60)
    ]
    [ticket] = desk.add(*posts)
    page = ana.get(f"/tickets/{ticket}").text
    assert "20 earlier posts</summary>" in page
    assert page.index("day 0<") < page.index("day 59<")


# --- mentions ------------------------------------------------------------------------------------------------------------


def test_a_search_marks_the_words_in_any_form_and_links_to_the_ticket(desk: Desk, ana: Browser) -> None:
    desk.ticket("Both chargers melted; the CHARGING stand too", native="1")
    desk.ticket("nothing of the kind")
    page = ana.get("/mentions?q=charger").text
    assert "<mark>chargers</mark>" in page
    assert "nothing of the kind" not in page
    assert 'href="/tickets/x:1"' in page


def test_phrases_are_marked_whole_and_excluded_words_not_at_all(desk: Desk, ana: Browser) -> None:
    desk.ticket("my card, the new card, was charged twice today")
    page = ana.get("/mentions?q=%22charged+twice%22+-refund+card").text
    assert "<mark>charged twice</mark>" in page
    assert page.count("<mark>card</mark>") == 2


def test_a_search_without_result_or_sense_says_what_to_try(desk: Desk, ana: Browser) -> None:
    desk.ticket()
    assert "Nothing found" in ana.get("/mentions?q=zebra").text
    only_excluding = ana.get("/mentions?q=-zebra")
    assert only_excluding.status_code == 400
    assert "add a word that must be there" in only_excluding.text
    assert ana.get("/mentions?q=" + "x" * 400).status_code == 400
    for hostile in ("%22", "*", "a%00b", "NEAR(a%20b)", "text:a", "(", "^", "--", "%22%22%22"):
        assert ana.get(f"/mentions?q={hostile}").status_code == 200, hostile


def test_mentions_are_filtered_by_the_address_and_keep_their_search_on_the_next_page(desk: Desk, ana: Browser) -> None:
    desk.add(*(desk.post(f"broken {i}", brand="Lumiva") for i in range(60)))
    page = ana.get("/mentions?q=broken&brand=Lumiva").text
    assert 'href="/mentions?q=broken&amp;brand=Lumiva&amp;page=2"' in page
    assert 'name="q" value="broken"' in page
    assert "Nothing found" in ana.get("/mentions?q=broken&brand=Brightly").text


def test_facets_are_links_with_counts_that_keep_what_is_asked_for_and_lead_back(desk: Desk, ana: Browser) -> None:
    desk.add(*(desk.post(f"broken {i}", brand="Lumiva", language="de") for i in range(3)), desk.post("broken lamp"))
    page = ana.get("/mentions?q=broken").text
    assert "<strong>4</strong> mentions" in page
    narrowed = (
        '<a href="/mentions?q=broken&amp;brand=Lumiva"><span class="value">Lumiva</span> <span class="many">3</span>'
    )
    assert narrowed in page
    page = ana.get("/mentions?q=broken&brand=Lumiva&language=de").text
    assert "<strong>3</strong> mentions" in page
    assert '<a href="/mentions?q=broken&amp;brand=Lumiva&amp;language=de" aria-current="true">' in page
    assert '<a href="/mentions?q=broken&amp;language=de">all<span class="unseen"> of brand</span></a>' in page
    assert '<input type="hidden" name="brand" value="Lumiva">' in page


def test_days_narrow_by_the_offices_midnight_and_a_facet_that_finds_nothing_can_be_left(
    desk: Desk, ana: Browser
) -> None:
    desk.add(desk.post("broken today", minutes_ago=5), desk.post("broken long ago", minutes_ago=3 * 24 * 60))
    today = desk.clock.now.date()
    page = ana.get(f"/mentions?first={today}&last={today}").text
    assert "broken today" in page
    assert "broken long ago" not in page
    assert f"day: {today}" in page
    nothing = ana.get("/mentions?urgency=critical").text
    assert "Nothing found" in nothing
    assert '<span class="value">critical</span> <span class="many">0</span>' in nothing
    assert '<a href="/mentions">all<span class="unseen"> of urgency</span></a>' in nothing


@pytest.mark.parametrize(
    "query", ["first=yesterday", "last=0001-01-01", "last=9999-12-31", "sentiment=bad", "urgency=x"]
)
def test_an_address_that_means_nothing_says_what_would(ana: Browser, query: str) -> None:
    answer = ana.get(f"/mentions?{query}")
    assert answer.status_code == 400
    assert "use " in answer.text


def test_mentions_before_anything_was_heard_lead_to_coverage(ana: Browser) -> None:
    page = ana.get("/mentions").text
    assert "Nothing has been heard yet" in page


# --- incidents -----------------------------------------------------------------------------------------------------------


def burning(desk: Desk, people: int = 1) -> str:
    desk.add(*(
        desk.post(f"the brightly base caught fire, flat {i}", given=score("complaint", "critical", 0.9, rules=(FIRE,)), minutes_ago=5 + 40 * i)
        for i in range(people)
    ))  # fmt: skip
    desk.watch()
    return desk.store.open_incidents()[0].id


def test_an_incident_prints_its_severity_its_posts_and_who_was_told(desk: Desk, ana: Browser) -> None:
    incident = burning(desk, people=4)
    page = ana.get(f"/incidents/{incident}").text
    assert "Why severity 4" in page
    assert "4 posts by 4 people" in page
    assert "<b>caught fire</b>" in page
    assert "incident opened" in page
    assert "4 of 4 posts by hour" in page
    assert page.count("<rect") == 4 - 1  # two of the four fell into one hour


def test_the_list_puts_what_burns_above_what_is_over(desk: Desk, ana: Browser) -> None:
    assert "Nothing burns" in ana.get("/incidents").text
    incident = burning(desk)
    assert "1 incident is not over; 1 of them has nobody." in ana.get("/incidents").text
    respond.close(desk.store, incident, "Ben", now=NOW)
    page = ana.get("/incidents").text
    assert page.index("Nothing burns") < page.index("<h2>Over</h2>")
    assert "Over since" in ana.get(f"/incidents/{incident}").text


def test_a_notice_that_was_not_delivered_says_why(desk: Desk, ana: Browser) -> None:
    incident = burning(desk)
    [notice] = desk.store.notices(incident)
    desk.store.add_notice(
        replace(notice, id="another", channel="ops", sent_at=None, failed_at=NOW, error="ops is gone")
    )
    assert "not delivered: ops is gone" in ana.get(f"/incidents/{incident}").text


def test_a_notice_that_was_tried_again_does_not_claim_to_have_arrived_only_once(desk: Desk, ana: Browser) -> None:
    incident = burning(desk)
    assert "may have arrived too" not in ana.get(f"/incidents/{incident}").text
    [notice] = desk.store.notices(incident)
    desk.store.add_notice(replace(notice, id="another", channel="ops", attempts=2))
    assert "sent at try 2; an earlier try may have arrived too" in ana.get(f"/incidents/{incident}").text


def test_an_unknown_incident_is_a_page(ana: Browser) -> None:
    assert ana.get("/incidents/nope").status_code == 404


# --- coverage ------------------------------------------------------------------------------------------------------------


def test_coverage_says_in_one_sentence_that_all_is_read(desk: Desk, ana: Browser) -> None:
    for source, query in desk.config.pairs():
        desk.heard(source, query, minutes_ago=3)
    page = ana.get("/coverage").text
    assert "Everything up to" in page
    assert "10:57</time> has been read.</strong>" in page


def test_coverage_names_what_is_not_heard_why_and_what_happens_next(desk: Desk, ana: Browser) -> None:
    shift(desk)
    listening(desk)
    page = ana.get("/coverage").text
    assert "has been read, except:" in page
    assert "09:45 to 10:20 unread: page budget of 10 used up" in page
    assert "nothing read for 42 min: news answers 403" in page
    assert "412 calls" in page
    assert "resets in 9 min" in page
    assert "1 bad record" in page
    assert "no author in the record" in page
    assert "<svg" in page


def test_coverage_lists_configured_queries_that_were_never_read(desk: Desk, ana: Browser) -> None:
    page = ana.get("/coverage").text
    assert page.count("not read yet") == 4
    assert "Not everything has been read:" in page


def test_an_old_import_does_not_make_coverage_say_that_something_is_unread(desk: Desk, ana: Browser) -> None:
    for source, query in desk.config.pairs():
        desk.heard(source, query, minutes_ago=3)
    desk.heard("archive", "import", minutes_ago=5000)
    page = ana.get("/coverage").text
    assert "10:57</time> has been read.</strong>" in page
    assert "import" in page


def test_lost_intervals_and_waiting_batches_are_not_hidden(desk: Desk, ana: Browser) -> None:
    desk.heard(gaps=[desk.gap(lost_at=NOW)], batch=desk.batch())
    page = ana.get("/coverage").text
    assert "1 interval lost for good" in page
    assert "1 batch waits for triage" in page


# --- machines ------------------------------------------------------------------------------------------------------------


def test_the_queue_as_json_has_the_keys_of_the_command_line(desk: Desk, ana: Browser) -> None:
    shift(desk)
    answer = ana.get("/api/queue?category=question").json()
    assert answer["counts"]["waiting"] == 2
    line = answer["tickets"][0]
    assert list(line)[:17] == ["ticket", "mention", "source", "author", "language", "text", "category", "urgency", "sentiment", "crisis", "priority", "lane", "opened_at", "respond_by", "status", "claimed_by", "why"]  # fmt: skip


def test_a_machine_is_told_errors_as_json(ana: Browser) -> None:
    assert ana.get("/api/tickets/x:nope").json().keys() == {"error"}
    assert ana.get("/api/queue?page=0").status_code == 400
    assert ana.get("/api/nowhere").json() == {"error": "There is no page at this address."}


def test_coverage_as_json_is_the_stores_answer(desk: Desk, ana: Browser) -> None:
    listening(desk)
    assert next((one["cursor"]["source"], one["cursor"]["query"]) for one in ana.get("/api/coverage").json()) == (
        "news",
        "kestrel",
    )


def test_health_is_good_or_says_what_is_wrong(desk: Desk, ana: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ana.get("/healthz").json() == {"status": "ok", "problems": []}

    def refuse() -> int:
        raise StoreRefused("the file is damaged: restore a copy")

    monkeypatch.setattr(desk.store, "change_count", refuse)
    answer = ana.get("/healthz")
    assert answer.status_code == 503
    assert answer.json()["problems"] == ["the file is damaged: restore a copy"]


@pytest.mark.parametrize("path", ["/", "/tickets/x:1", "/mentions", "/coverage"])
def test_a_store_that_does_not_answer_is_a_page_that_tries_again(
    desk: Desk, ana: Browser, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    def away() -> int:
        raise StoreUnavailable("another process keeps the file busy")

    monkeypatch.setattr(desk.store, "change_count", away)
    answer = ana.get(path)
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"
    assert "keeps the file busy" in answer.text
