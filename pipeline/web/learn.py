"""Learning: what people say of a post, in one click."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import RedirectResponse
from pydantic import BaseModel, Field

from pipeline import lessons
from pipeline.domain import Head, Label
from pipeline.labels import before, checked
from pipeline.web.actions import accept, acting, going_back
from pipeline.web.pages import Done, PagesOf

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
