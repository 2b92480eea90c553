"""Who speaks in a replay: invented people, how many follow them, and what a brand's own account answers. Pure.

Everything is drawn from the post's id, so the same post always has the same author.
"""

from __future__ import annotations

from hashlib import blake2b

from pipeline.domain import Author

_FIRST = (
    "ada", "bruno", "celine", "dario", "emre", "frida", "gosia", "hakan", "ines", "jonas", "kasia", "lale",
    "mateo", "nadia", "oskar", "pilar", "quirin", "rosa", "sena", "tomas", "ulla", "vera", "wojtek", "yusuf", "zoe",
)  # fmt: skip
_LAST = (
    "birch", "cobbler", "drum", "ember", "fennel", "gables", "harbour", "inkwell", "juniper", "kettle", "lantern",
    "meadow", "nettle", "orchard", "pebble", "quarry", "rowan", "saffron", "thimble", "umber", "vale", "willow",
)  # fmt: skip
MEDIAN_FOLLOWERS = 140
MOST_FOLLOWERS = 900_000
TAIL = 0.8  # exponent of the power law: one author in a hundred has more than 20,000 followers

_ANSWERS = {
    "en": (
        "Sorry about this. Could you send us your order number in a private message? We'll look at it right away.",
        "That's not how it should be. A colleague is on it and will write to you today.",
        "Thanks for telling us. We have passed it on and will come back to you with an answer.",
    ),
    "de": (
        "Das tut uns leid. Schick uns bitte deine Kundennummer per Direktnachricht, dann schauen wir sofort nach.",
        "So soll das nicht sein. Eine Kollegin kümmert sich darum und meldet sich heute noch.",
        "Danke für den Hinweis, wir haben ihn weitergegeben und melden uns mit einer Antwort.",
    ),
    "tr": (
        "Yaşadıklarınız için üzgünüz. Müşteri numaranızı özel mesajla iletir misiniz, hemen bakalım.",
        "Böyle olmamalıydı. Bir arkadaşımız ilgileniyor, bugün size dönecek.",
        "Haber verdiğiniz için teşekkürler, ilgili birime ilettik, size cevapla döneceğiz.",
    ),
    "pl": (
        "Bardzo nam przykro. Prosimy o numer klienta w wiadomości prywatnej, od razu sprawdzimy.",
        "Tak nie powinno być. Zajmujemy się tym i odezwiemy się jeszcze dziś.",
        "Dziękujemy za zgłoszenie, przekazaliśmy je dalej i wrócimy z odpowiedzią.",
    ),
    "es": (
        "Lamentamos lo ocurrido. ¿Nos envías tu número de cliente por mensaje privado? Lo miramos enseguida.",
        "No debería ser así. Una compañera ya está con ello y te escribirá hoy.",
        "Gracias por avisar, lo hemos trasladado y volveremos con una respuesta.",
    ),
    "fr": (
        "Nous sommes désolés. Pouvez-vous nous envoyer votre numéro de client en message privé ? Nous regardons aussitôt.",
        "Ce n'est pas normal. Une collègue s'en occupe et vous écrit dans la journée.",
        "Merci de nous prévenir, nous avons transmis et revenons vers vous avec une réponse.",
    ),
    "pt": (
        "Pedimos desculpa. Pode enviar o seu número de cliente por mensagem privada? Vamos ver já.",
        "Não devia ser assim. Um colega está a tratar disso e escreve-lhe ainda hoje.",
        "Obrigado por avisar, já encaminhámos e voltamos com uma resposta.",
    ),
    "it": (
        "Ci dispiace. Può mandarci il suo numero cliente in privato? Controlliamo subito.",
        "Non dovrebbe andare così. Una collega se ne sta occupando e le scrive oggi stesso.",
        "Grazie della segnalazione, l'abbiamo inoltrata e torneremo con una risposta.",
    ),
}  # fmt: skip


def chance(*about: str) -> float:
    """A number in 0..1 that is always the same for the same words."""
    return int.from_bytes(blake2b("|".join(about).encode(), digest_size=6).digest(), "big") / 2**48


def pick(options: tuple[str, ...], *about: str) -> str:
    """One of the options, always the same for the same words."""
    return options[int(chance(*about) * len(options))]


def author(native: str) -> Author:
    """The invented author of a post; its id is left to the source."""
    first, last = pick(_FIRST, "first", native), pick(_LAST, "last", native)
    number = int(chance("number", native) * 900)
    handle = f"{first}_{last}{number}" if number >= 100 else f"{first}.{last}"
    followers = min(MOST_FOLLOWERS, int(MEDIAN_FOLLOWERS * (2 * (1 - chance("reach", native))) ** (-1 / TAIL)))
    return Author(id="", handle=handle, name=f"{first.title()} {last.title()}", followers=followers)


def answer(native: str, language: str) -> str:
    """What the brand's own account writes under a post."""
    return pick(_ANSWERS.get(language, _ANSWERS["en"]), "answer", native)
