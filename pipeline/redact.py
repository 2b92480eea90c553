"""Personal data masked wherever a text leaves the circle that works with it: notices, logs, exports.

What has a checksum is checked (cards, IBANs, national numbers: python-stdnum), phone numbers are checked against their
country's numbering plan (phonenumbers), so that prices, dates, flights and order numbers stay: people need them to act.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache

import phonenumbers
from stdnum import iban, luhn
from stdnum.br import cpf
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fr import nir
from stdnum.it import codicefiscale
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.tr import tckimlik
from stdnum.us import ssn

EMAIL, PHONE, CARD, IBAN, ID = "[email]", "[phone]", "[card]", "[iban]", "[id]"

_REGIONS = ("GB", "US", "DE", "TR", "PL", "ES", "MX", "FR", "PT", "BR", "IT")
"""Whose national notations are known: the countries where most people who write our eight languages live."""

_LOOK_BACK = 30  # characters before a number that say what it is: "my new number is", "nr zamówienia"

# A link is found only to be left alone: masks in it would break it. Bounded repeats keep every pattern linear.
_PERSONAL = re.compile(
    r"""
      (?P<link>  (?:https?://|www\.)\S+ )
    | (?P<email> [\w.+%-]{1,64}@(?:[\w-]{1,63}\.){1,6}[^\W\d_]{2,24} )
    | (?P<iban>  \b[A-Z]{2}\d{2}(?:[ -]?[A-Z\d]){11,30} )
    | (?P<code>  \b(?: [A-Z]{6}\d{2}[A-Z]\d{2}[A-Z]\d{3}[A-Z] | [XYZ]-?\d{7}-?[A-Z] | \d{8}-?[A-Z] )\b )
    | (?P<number> (?<![\w.,+@-]) [+(]{0,2} \d (?: [ .()/\u00a0-]{0,2}\d ){6,21} (?! [\w] | [.,]\d ) )
    """,
    re.VERBOSE | re.IGNORECASE,
)
_REFERENCE = re.compile(
    r"(?:order|booking|reference|\bref|ticket|case|tracking|parcel|shipment|invoice|contract|flight|serial|model|item"
    r"|bestell|auftrag|buchung|vorgang|sendung|rechnung|vertrag|kundennummer|aktenzeichen|flug"
    r"|sipari|rezervasyon|takip|fatura|sozlesme|sözleşme|bilet|uçuş|kargo"
    r"|zamówieni|zamowieni|rezerwacj|zgłoszeni|zgloszeni|przesył|przesyl|faktur|umow|paczk"
    r"|pedido|reserva|referencia|factura|seguimiento|env[ií]o|incidencia|contrato|vuelo"
    r"|commande|réservation|référence|dossier|facture|colis|suivi|contrat|\bvol\b"
    r"|encomenda|referência|protocolo|rastre|nota fiscal|ocorrência"
    r"|ordine|prenotazione|riferimento|fattura|spedizione|pratica|contratto|tracciamento|volo|\#|№)[^\d]{0,16}$",
    re.IGNORECASE,
)
_CALL = re.compile(
    r"(?:phone|\bcall|\bcell|mobile|whats?app|\bwa\b|\bsms\b|\btext\b|\bdial|reach me|\bfax|☎|📞|📱"
    r"|telefon|\btel\b|handy|ruf|mobil|numara|\bara\b|arayın|cep"
    r"|zadzwo|dzwoń|dzwon|kom[óo]rk|llam[ae]|teléfono|móvil|m[óo]vil|celular|appel|téléphone|portable|joign"
    r"|ligu|telem[óo]vel|telefone|chiam|cellulare|telefono)[^\d]{0,20}$",
    re.IGNORECASE,
)
_TAXPAYER = re.compile(r"(?:\bnif\b|contribuinte|identificação fiscal)[^\d]{0,12}$", re.IGNORECASE)
_DATE = re.compile(r"(?:\d{1,2}([./ -]|\. )\d{1,2}\1(?:19|20)\d\d|(?:19|20)\d\d([./ -])\d{1,2}\2\d{1,2})(?!\d)")
_CARD = re.compile(
    r"[2-6]\d{3}([ -]?)\d{4}\1\d{4}\1\d{4}(?:\1\d{3})?|3[47]\d{2}([ -]?)\d{6}\2\d{5}|3[068]\d{2}([ -]?)\d{6}\3\d{4}"
)
_LAYOUTS: Mapping[re.Pattern[str], tuple[Callable[[str], bool], ...]] = {
    re.compile(r"\d{11}"): (tckimlik.is_valid, pesel.is_valid, idnr.is_valid, cpf.is_valid),
    re.compile(r"\d{2} \d{3} \d{3} \d{3}"): (idnr.is_valid,),
    re.compile(r"\d{3}\.\d{3}\.\d{3}-\d{2}"): (cpf.is_valid,),
    re.compile(r"[12][ .]?\d{2}[ .]?\d{2}[ .]?\d{2}[ .]?\d{3}[ .]?\d{3}[ .]?\d{2}"): (nir.is_valid,),
    re.compile(r"\d{3}-\d{2}-\d{4}"): (ssn.is_valid,),
}
"""How national numbers with a checksum are written, and who checks them."""


def redact(text: str) -> str:
    """A text with mail addresses, phone, card and account numbers and national ids replaced by what they were."""
    # Nothing of the kind can be in a text without an at sign or a digit, and most posts have neither.
    if "@" not in text and not _SEVEN_DIGITS.search(text):
        return text
    return _PERSONAL.sub(_masked, text)


_SEVEN_DIGITS = re.compile(r"(?:\d\D{0,3}){7}")


def mask_handle(handle: str) -> str:
    """A handle by which its owner is recognised by those who know it: ``mask_handle("@kestrelfan") == "@k…n"``."""
    name = handle.removeprefix("@")
    shown = name if len(name) < 2 else f"{name[0]}…{name[-1]}" if len(name) > 2 else f"{name[0]}…"
    return f"@{shown}" if handle.startswith("@") else shown


def _masked(found: re.Match[str]) -> str:
    written = found[0]
    match found.lastgroup:
        case "email":
            return EMAIL
        case "iban":
            return _mask_iban(written)
        case "code":
            checks = (codicefiscale.is_valid, nie.is_valid, dni.is_valid)
            return ID if any(check(written) for check in checks) else written
        case "number":
            before = found.string[max(0, found.start() - _LOOK_BACK) : found.start()]
            return _mask_number(written, before)
        case _:
            return written


def _mask_iban(written: str) -> str:
    """The text behind an account number may look like more of it: the longest beginning that checks is masked."""
    for end in range(len(written), 14, -1):
        if written[end - 1].isalnum() and iban.is_valid(written[:end]):
            return IBAN + written[end:]
    return written


def _mask_number(written: str, before: str) -> str:
    if _CARD.fullmatch(written) and luhn.is_valid(re.sub(r"[ -]", "", written)):
        return CARD
    if _TAXPAYER.search(before) and nif.is_valid(written):
        return ID
    reference, call = _REFERENCE.search(before), _CALL.search(before)
    if reference and not (call and call.start() > reference.start()):  # "in case you call", not "telephone order"
        return written
    for layout, checks in _LAYOUTS.items():
        if layout.fullmatch(written) and any(check(written) for check in checks):
            return ID
    if _DATE.match(written):
        return written
    for called in (False, True) if call else (False,):
        for end in _ends(written):
            if _is_phone(written[:end], called=called):
                return PHONE + written[end:]
    return written


def _ends(written: str) -> list[int]:
    """Where a number may end: at its end, or a group or two before it, as another number may follow it."""
    groups = [found.end() for found in re.finditer(r"\d+", written)]
    return list(reversed(groups))[:3]


@lru_cache(maxsize=1024)
def _is_phone(written: str, *, called: bool) -> bool:
    """Whether a number is written as one calls it: internationally, nationally with its zero or its grouping, or said so."""
    if written.lstrip("(").startswith(("+", "00")):
        number = _parsed(written.replace("(0)", ""), None) or _parsed(
            f"+{re.sub(r'[^0-9]', '', written).lstrip('0')}", None
        )
        return number is not None and phonenumbers.is_possible_number(number)
    groups = re.findall(r"\d+", written)
    for region in _REGIONS:
        number = _parsed(written, region)
        if number is None or not phonenumbers.is_possible_number(number):
            continue
        if called:
            return True
        if not phonenumbers.is_valid_number(number):
            continue
        national = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
        if groups[0].startswith("0") or (len(groups) > 2 and groups == re.findall(r"\d+", national)):
            return True
    return False


def _parsed(written: str, region: str | None) -> phonenumbers.PhoneNumber | None:
    try:
        return phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:  # not a number there
        return None
