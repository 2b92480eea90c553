"""Personal data is masked, and what people need to act on a post is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.redact import mask_handle, redact
from tests import REPOSITORY

SHARED = Path(os.environ.get("TOCSIN_SHARED", REPOSITORY.parent / "shared"))

PERSONAL = [
    ("write to ana.b+shop@mail.example.org please", "write to [email] please"),
    ("mail:JOE@EXAMPLE.CO.UK.", "mail:[email]."),
    ("call me +44 20 7946 0958 today", "call me [phone] today"),
    ("ruf an: +49 (0)171 2345678", "ruf an: [phone]"),
    ("0049 171 2345678 bitte", "[phone] bitte"),
    ("Meine Nummer ist 0171/2345678.", "Meine Nummer ist [phone]."),
    ("numaram 0532 123 45 67", "numaram [phone]"),
    ("05321234567 arayın", "[phone] arayın"),
    ("zadzwońcie: 600 123 456", "zadzwońcie: [phone]"),
    ("tel. 600123456", "tel. [phone]"),
    ("llamadme al 612345678", "llamadme al [phone]"),
    ("mon 06 12 34 56 78 ou 06.12.34.56.79", "mon [phone] ou [phone]"),
    ("me liga (11) 91234-5678", "me liga [phone]"),
    ("ligue 912 345 678", "ligue [phone]"),
    ("chiamatemi al 333 1234567", "chiamatemi al [phone]"),
    ("(415) 555-2671 is my cell", "[phone] is my cell"),
    ("call 415-555-2671 2 times", "call [phone] 2 times"),
    ("in case you call: 600123456", "in case you call: [phone]"),
    ("my card 4111 1111 1111 1111 was charged", "my card [card] was charged"),
    ("4111111111111111", "[card]"),
    ("amex 3782 822463 10005!", "amex [card]!"),
    ("5555-5555-5555-4444", "[card]"),
    ("IBAN DE89 3704 0044 0532 0130 00 please", "IBAN [iban] please"),
    ("tr330006100519786457841326", "[iban]"),
    ("PL61109010140000071219812874 od wczoraj", "[iban] od wczoraj"),
    ("TC 10000000146 benim", "TC [id] benim"),
    ("PESEL 44051401359", "PESEL [id]"),
    ("DNI 12345678Z y NIE X1234567L", "DNI [id] y NIE [id]"),
    ("CF RSSMRA85T10A562S", "CF [id]"),
    ("NIF 123456789", "NIF [id]"),
    ("sécu 2 55 08 14 168 025 38", "sécu [id]"),
    ("Steuer-ID 36 574 261 809", "Steuer-ID [id]"),
    ("CPF 390.533.447-05", "CPF [id]"),
    ("ssn 536-90-4399", "ssn [id]"),
]


@pytest.mark.parametrize(("posted", "shown"), PERSONAL)
def test_personal_data_is_masked_by_what_it_is(posted: str, shown: str) -> None:
    assert redact(posted) == shown


HARMLESS = [
    "charged 1,299.00 twice, then 1.299,00 € and 12 500 000 PLN",
    "£1234567 is a lot, so is $ 1 234 567.89",
    "since 24/12/2026 18:30, or 2026-12-24T18:30:00, or 24.12.2026",
    "from 2024-05-06 2024-05-07 on, Montag, 03. 08. 2015 - 22:06 Uhr",
    "@115913 8 hours total",
    "order 402-1234567-1234567 and order no. 600123456",
    "sipariş no: 05321234567",
    "numer zamówienia 600 123 456",
    "Bestellnummer 01712345678",
    "pedido nº 612345678",
    "commande 0612345678",
    "ordine n. 3331234567",
    "encomenda 912345678",
    "telephone order 600123456",
    "ticket #4711-2026-11-25",
    "#123456789012",
    "flight LH1234567 and BA 2490",
    "tracking 00340434161094000000",
    "card ending 1111 and 4111 1111 1111 1112",
    "my serial SN12345678A, model WX1234567",
    "version 10.0.19045.4291 and ip 192.168.100.200",
    "https://x.com/ana/status/4111111111111111?mail=a@b.org",
    "@kestrelbank @ana_99 thanks",
    "100 200 300 400 500 600",
    "DE89 3704 0044 0532 0130 01",
    "at 41.40338, 2.17403",
    "1700000000 seconds",
    "10000000147 is no id, nor is 44051401358",
    "open 24/7, 365 days, 9-5",
]


@pytest.mark.parametrize("text", HARMLESS)
def test_prices_dates_orders_flights_and_links_stay(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("handle", "shown"),
    [("@user", "@u…r"), ("kestrelfan", "k…n"), ("@ab", "@a…"), ("@a", "@a"), ("", ""), ("@łódź", "@ł…ź")],
)
def test_a_handle_keeps_its_ends(handle: str, shown: str) -> None:
    assert mask_handle(handle) == shown


@given(text=st.text(max_size=200))
def test_any_text_can_be_redacted_and_twice_is_once(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(text=st.text(alphabet="0123456789 .-+()/@aZ", max_size=120))
def test_any_heap_of_digits_can_be_redacted(text: str) -> None:
    assert redact(text).count("\n") == 0


@pytest.mark.parametrize("text", ["1 " * 20_000, "a." * 20_000 + "@", "(" * 50_000 + "1234567", "DE89" + " A" * 20_000])
def test_hostile_texts_take_no_longer_than_long_ones(text: str) -> None:
    assert isinstance(redact(text), str)


@pytest.mark.shared
def test_few_real_posts_are_changed() -> None:
    path = SHARED / "data" / "triage_labels" / "train.tsv"
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    rows = [line.split("\t")[3] for line in path.read_text(encoding="utf-8").splitlines()[1:]]
    changed = [row for row in rows if redact(row) != row]
    assert len(changed) <= 0.01 * len(rows)
