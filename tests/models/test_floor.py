"""The floor: real dangers are named in eight languages, harmless uses of their words are left alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models import floor

AUTHORED = Path(floor.__file__).with_name("authored")
SUREST = 0.85
"""Share of hits on the authored corpus that are urgent by label; the phrases were written with these rows in view."""

DANGERS = [
    ("en", "My eyelids are swollen shut since I used the new cream", "allergic reaction"),
    ("en", "the charger started sparking next to my bed", "fire"),
    ("en", "I was charged twice for the same flight", "double charge"),
    ("en", "Found a shard of glass in my salad", "foreign body in food"),
    ("en", "someone emptied my savings, three transfers I never made", "money moved by somebody else"),
    ("en", "I can see another customer's invoice in my account", "data breach"),
    ("en", "You will be hearing from my lawyer", "legal action"),
    ("en", "your driver grabbed my sister by the arm", "discrimination or assault by staff"),
    ("de", "Meine Lippen sind nach dem Balsam total geschwollen", "allergic reaction"),
    ("de", "Das Ladegerät qualmt und die Steckdose ist verschmort", "fire"),
    ("de", "Mir wurde der Betrag doppelt abgebucht", "double charge"),
    ("de", "Ich habe Glassplitter im Salat gefunden", "foreign body in food"),
    ("de", "Mein Anwalt meldet sich bei Ihnen", "legal action"),
    ("de", "der Notruf geht nicht, kein Netz im ganzen Ort", "outage for everybody"),
    ("tr", "Göz kapaklarım şişti, krem sürdükten sonra", "allergic reaction"),
    ("tr", "goz kapaklarim sisti", "allergic reaction"),
    ("tr", "Şarj aleti patladı, odam duman oldu", "fire"),
    ("tr", "kartımdan iki kez çekilmiş", "double charge"),
    ("tr", "Salatanın içinden böcek çıktı", "foreign body in food"),
    ("tr", "hesabım çalındı şifremi değiştirmişler", "account taken over"),
    ("tr", "Avukatım sizinle görüşecek", "legal action"),
    ("pl", "Spuchły mi powieki po tym kremie", "allergic reaction"),
    ("pl", "ładowarka się zapaliła w nocy", "fire"),
    ("pl", "pobraliście opłatę dwa razy", "double charge"),
    ("pl", "znalazłam kawałek szkła w zupie", "foreign body in food"),
    ("pl", "Zgłaszam sprawę do UOKiK", "regulator or police"),
    ("pl", "nie mogę dodzwonić się na 112", "outage for everybody"),
    ("es", "Tengo la cara hinchada desde que usé la crema", "allergic reaction"),
    ("es", "el cargador empezó a echar humo y chispas", "fire"),
    ("es", "me cobraron dos veces el mismo pedido", "double charge"),
    ("es", "había un gusano en la ensalada", "foreign body in food"),
    ("es", "No reconozco esos cargos en mi cuenta", "money moved by somebody else"),
    ("fr", "Mes paupières ont gonflé après le mascara", "allergic reaction"),
    ("fr", "le chargeur a pris feu sur la table", "fire"),
    ("fr", "J'ai été débité deux fois", "double charge"),
    ("fr", "il y avait du verre dans la soupe", "foreign body in food"),
    ("fr", "je vais porter plainte", "legal action"),
    ("pt", "Minha pele ficou toda inchada com o creme", "allergic reaction"),
    ("pt", "o carregador pegou fogo", "fire"),
    ("pt", "fui cobrado duas vezes", "double charge"),
    ("pt", "achei uma barata na comida", "foreign body in food"),
    ("pt", "Vou abrir reclamação no Procon", "regulator or police"),
    ("it", "mi si sono gonfiate le labbra: labbra gonfie da ieri", "allergic reaction"),
    ("it", "il caricabatterie ha preso fuoco", "fire"),
    ("it", "mi avete addebitato due volte", "double charge"),
    ("it", "ho trovato un verme nell'insalata", "foreign body in food"),
    ("it", "procederò per vie legali", "legal action"),
]
HARMLESS = [
    ("en", "this playlist is fire"),
    ("en", "I'd kill for that discount"),
    ("en", "the new bomb shower gel smells of mint"),
    ("en", "sue me but I love it"),
    ("en", "no injuries, everybody is fine"),
    ("en", "my heart is bleeding for this album"),
    ("en", "the roof leak was fixed in an hour"),
    ("en", "phone keeps blowing up with notifications"),
    ("de", "die Playlist brennt einfach alles nieder 🔥"),
    ("de", "kein Brand, nur ein Fehlalarm"),
    ("de", "das ist ja zum Kotzen langweilig"),
    ("de", "Die Badebombe riecht super"),
    ("de", "ein Geschenk mit Gift hat das nichts zu tun"),
    ("tr", "bu liste ateş ediyor"),
    ("tr", "bomba gibi bir kampanya"),
    ("tr", "yangın yok, herkes iyi"),
    ("tr", "bayıldım bu renge"),
    ("tr", "kolay kurulum, eleman çok kibardı"),
    ("pl", "ta playlista to ogień"),
    ("pl", "kula do kąpieli jak bomba"),
    ("pl", "umieram ze śmiechu, kawa mnie zakrztusiła"),
    ("es", "las bombas de baño son geniales"),
    ("es", "me muero de risa con este anuncio"),
    ("es", "esta canción es la bomba"),
    ("fr", "cette playlist met le feu"),
    ("fr", "c'est la bombe ce gel douche"),
    ("fr", "je suis mort de rire"),
    ("pt", "tá pegando fogo essa promo 🔥"),
    ("pt", "morri de rir com o comercial"),
    ("it", "una bomba questo album"),
    ("it", "mi fa morire dal ridere"),
    ("it", "questa canzone spacca"),
]


@pytest.mark.parametrize(("language", "text", "rule"), DANGERS)
def test_a_real_danger_is_named(language: str, text: str, rule: str) -> None:
    assert rule in [hit.rule for hit in floor.hits(text, language)]


@pytest.mark.parametrize(("language", "text"), HARMLESS)
def test_a_harmless_use_of_alarming_words_is_left_alone(language: str, text: str) -> None:
    assert floor.hits(text, language) == ()


def test_a_hit_quotes_the_author_as_written() -> None:
    (hit,) = floor.hits("Hello!! Göz kapaklarım ŞİŞTİ, ne yapayım", "tr")
    assert hit.words == "Göz kapaklarım ŞİŞTİ"
    assert (hit.urgency, hit.crisis) == ("critical", True)


def test_a_harmless_use_does_not_hide_a_real_danger_beside_it() -> None:
    text = "The playlist is fire. But your charger caught fire in my bedroom."
    assert [hit.rule for hit in floor.hits(text, "en")] == ["fire"]


def test_english_wording_is_heard_in_a_post_of_another_language() -> None:
    assert [hit.rule for hit in floor.hits("Leute, I was charged twice, was soll das", "de")] == ["double charge"]


def test_a_text_of_unknown_language_is_searched_in_all() -> None:
    assert [hit.rule for hit in floor.hits("pobrano dwa razy", "und")] == ["double charge"]
    assert floor.hits("pobrano dwa razy", "fr") == ()


def test_handles_and_links_fire_nothing() -> None:
    assert floor.hits("@boycottnow https://example.com/boycott-them", "en") == ()


def test_the_gravest_hit_comes_first() -> None:
    found = floor.hits("charged twice, and the charger caught fire", "en")
    assert [hit.urgency for hit in found] == ["critical", "high"]


def test_many_posts_give_the_hits_of_each() -> None:
    texts, languages = [text for _, text, _ in DANGERS], [language for language, _, _ in DANGERS]
    alone = [floor.hits(text, language) for text, language in zip(texts, languages, strict=True)]
    assert floor.hits_of(texts, languages) == alone


def test_a_weak_rule_is_a_hint_and_no_hit() -> None:
    weak = [rule.name for rule in floor.lexicon().rules if rule.weak]
    post = ["third", "time", "I", "write,", "still", "no", "answer"]
    assert any(floor.lexicon().rules[number].name in weak for number, _ in floor.fired(post, "en"))
    assert floor.hits(" ".join(post), "en") == ()


def test_hits_on_the_authored_corpus_are_urgent_by_label() -> None:
    rows = [
        json.loads(line)
        for path in sorted(AUTHORED.glob("*.jsonl"))
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    hit = [row for row in rows if floor.hits(row["text"], row["lang"])]
    assert len(hit) > len(rows) * 0.05
    assert sum(row["urgency"] >= 2 for row in hit) / len(hit) >= SUREST


def test_every_rule_speaks_every_language() -> None:
    spoken = {(phrase.rule, phrase.language) for phrase in floor.lexicon().phrases}
    assert len(spoken) == len(floor.lexicon().rules) * len(floor.LANGUAGES)
