"""Learning: what people say of a post in one click, the live model, and the candidate beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Literal

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field

from pipeline import lessons, respond
from pipeline.domain import Change, Head, Label, Mention, ModelVersion, Shadow, Tally
from pipeline.errors import ConfigError, NotFound
from pipeline.labels import before, checked
from pipeline.text import FIRST_CLASS
from pipeline.web import posts
from pipeline.web.actions import accept, acting, going_back
from pipeline.web.pages import Done, Pages, PagesOf, incident_path
from pipeline.wording import counted

router = APIRouter()


class LabelForm(BaseModel):
    """What somebody says of a post: ``head|answer`` each; an empty answer takes back what was said."""

    csrf: str
    mention: Annotated[str, Field(max_length=4000)]
    say: Annotated[list[Annotated[str, Field(max_length=80)]], Field(min_length=1, max_length=len(Head))]
    back: str = "/"


@router.post("/label")
def label(request: Request, pages: PagesOf, form: Annotated[LabelForm, Form()]) -> RedirectResponse:
    """Label one post, and rank its ticket anew."""
    accept(request, form.csrf, form.back)
    who = acting(pages, request)
    answers: dict[Head, str | None] = {}
    for one in form.say:
        name, _, value = one.partition("|")
        head, answer = checked(name, value or None)
        answers[head] = answer
    labels = lessons.correct(pages.store, pages.config, form.mention, answers, who=who, now=pages.clock())
    if not labels:
        return going_back(pages, form.back, Done(said="That is said already"))
    log = pages.store.labels_of([form.mention])[form.mention]
    was = tuple(f"{each.head}|{before(log, each) or ''}" for each in labels)
    return going_back(pages, form.back, Done(said=_said(labels), labelled=form.mention, was=was))


def _said(labels: Sequence[Label]) -> str:
    words = ", ".join(f"{label.head} {label.value}" for label in labels if label.value is not None)
    if not words:
        return "Label taken back, the model has its say again"
    return f"Labelled {words}: used at the next training; the order has changed now"


@router.post("/false-alarm")
def false_alarm(
    request: Request,
    pages: PagesOf,
    csrf: Annotated[str, Form()],
    incident: Annotated[str, Form()],
    note: Annotated[str, Form(max_length=500)] = "",
) -> RedirectResponse:
    """Close an incident that was none, and label its posts so."""
    accept(request, csrf, incident_path(incident))
    who, now = acting(pages, request), pages.clock()
    respond.close(pages.store, incident, who, note=f"false alarm: {note.strip()}".removesuffix(": "), now=now)
    labels = lessons.false_alarm(pages.store, pages.config, incident, who=who, now=now)
    said = f"Closed as a false alarm; {counted(len(labels), 'post')} labelled as no crisis"
    return going_back(pages, incident_path(incident), Done(said=said))


# --- the page ---------------------------------------------------------------------------------------------------------

MONTH = timedelta(days=30)
CHANGES = 20
"""Posts that change which are shown: enough to judge by, few enough to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """How right the models were in one language: on all labels, and both on those that the candidate was tried on."""

    language: str
    labels: int
    live: int
    tried: int
    live_tried: int
    candidate: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """A live post of which the candidate says something else."""

    mention: Mention
    text: posts.Shown
    changes: tuple[Change, ...]


@router.get("/learn")
def learn(request: Request, pages: PagesOf) -> HTMLResponse:
    """The live model, how right it was on corrected posts, and the candidate beside it."""
    visit = pages.visit(request)
    models = pages.models()
    live, versions, promotions = models.live(), models.versions(), models.promotions()
    candidates = sorted(
        (each for each in versions if each.name != live and each.trial is not None), key=_made, reverse=True
    )
    asked = request.query_params.get("candidate")
    candidate = next((each for each in candidates if asked in {None, each.name}), None)
    since = visit.now - MONTH
    seen = models.shadow(candidate.name) if candidate else None
    changed = _changed(pages, seen)
    return pages.render(
        visit,
        "learn.html",
        live=models.version(live),
        promotion=next((each for each in reversed(promotions) if each.version == live), None),
        promotions=list(reversed(promotions)),
        previous=models.previous(),
        candidate=candidate,
        candidates=candidates,
        failures=lessons.refusals(candidate) if candidate else (),
        right=_right(
            lessons.rightness(pages.store, None, since=since),
            lessons.rightness(pages.store, candidate, since=since) if candidate else [],
        ),
        seen=seen,
        changed_posts=len({each.mention for each in seen.changes}) if seen else 0,
        changed=changed,
        first_class=FIRST_CLASS,
    )


class LearnForm(BaseModel):
    """What somebody decides about a version; ``override`` is why against the gate."""

    csrf: str
    do: Literal["promote", "shadow", "rollback"]
    model: Annotated[str, Field(max_length=80)] = ""
    why: Annotated[str, Field(max_length=300)] = ""
    override: Annotated[str, Field(max_length=300)] = ""
    back: str = "/learn"


@router.post("/learn")
def decide(request: Request, pages: PagesOf, form: Annotated[LearnForm, Form()]) -> RedirectResponse:
    """Make a version live, go back to the one before, or try one on live posts without effect."""
    accept(request, form.csrf, form.back)
    who = acting(pages, request)
    models, now = pages.models(), pages.clock()
    if form.do == "shadow":
        seen = lessons.shadow(pages.store, models, form.model, config=pages.config, now=now)
        said = f"Tried on the newest {counted(seen.posts, 'post')}: nothing has changed for anybody"
    elif form.do == "rollback":
        said = f"{lessons.roll_back(models, who=who, why=form.why, now=now).version} is live again"
    else:
        if not form.why.strip():
            raise ConfigError("say why it should go live: colleagues read it in the history")
        made = lessons.promote(models, form.model, who=who, why=form.why, now=now, override=form.override)
        said = f"{made.version} is live from the next batch on"
    return going_back(pages, "/learn" if form.do != "shadow" else form.back, Done(said=said))


def _made(version: ModelVersion) -> tuple[str, str]:
    return version.made_at.isoformat() if version.made_at else "", version.name


def _right(all_labels: Sequence[Tally], tried: Sequence[Tally]) -> list[Right]:
    both = {tally.name: tally for tally in tried}
    nothing = Tally(name="", labels=0, base=0, own=0)
    return [
        Right(
            language=tally.name,
            labels=tally.labels,
            live=tally.base,
            tried=both.get(tally.name, nothing).labels,
            live_tried=both.get(tally.name, nothing).base,
            candidate=both.get(tally.name, nothing).own,
        )
        for tally in all_labels
    ]


def _changed(pages: Pages, seen: Shadow | None) -> list[Changed]:
    """The first posts that change and are still here, what is grave before the rest."""
    by_post: dict[str, list[Change]] = {}
    for change in seen.changes if seen else ():
        by_post.setdefault(change.mention, []).append(change)
    heads = list(Head)
    order = sorted(by_post, key=lambda id_: (Head.CRISIS not in {each.head for each in by_post[id_]}, id_))
    found: list[Changed] = []
    for id_ in order:
        if len(found) == CHANGES:
            break
        with suppress(NotFound):  # forgotten since
            mention = pages.store.mention(id_).mention
            changes = tuple(sorted(by_post[id_], key=lambda each: heads.index(each.head)))
            found.append(Changed(mention=mention, text=posts.whole(mention.text), changes=changes))
    return found
