"""How names are inflected: the endings that people put on a brand, folded, as regular expressions.

Turkish puts case, plural and person behind a name, after an apostrophe or without; Polish declines it, and changes the
last consonant before -e; German, English and others add an s. A single letter that is a word of another language
("Lumivan", "Kestrell") is not taken for an ending.
"""

from __future__ import annotations

import re

SHORTEST = 4  # letters of a name below which an ending more often makes another word than a form of it

# After an apostrophe anything short is an ending: Lumiva'nın, Brightly'ye, Kestrel's, Zipkar'a.
APOSTROPHE = r"'\w{0,10}"

_TURKISH_PLURAL = r"l[ae]r"
_TURKISH_IN = r"[dt][ae](?:n|ki(?:ler)?|y[iu][mz]|ys[ae]|yd[iu]k?)?"  # in, from, that in, I am in, we were in
_TURKISH_OF = r"[iu]n(?:ki(?:ler)?)?"  # of, that of
_TURKISH_MADE = r"(?:l[iu]|s[iu]z|c[iu])(?:l[ae]r)?"  # with, without, a friend of
_TURKISH_TAIL = (
    rf"(?:{_TURKISH_IN}|(?:y|n)?[ae]|n?{_TURKISH_OF}|[yn]?[iu]|y?l[ae]|c[ae]|{_TURKISH_MADE}|[dt][iu]r|[iu]?m[iu]z)"
)
TURKISH_AFTER_VOWEL = (
    rf"(?:{_TURKISH_PLURAL}(?:{_TURKISH_TAIL})?|{_TURKISH_IN}|n{_TURKISH_OF}|y[iu]|y[ae]|n[ae]|yl[ae]|c[ae]"
    rf"|{_TURKISH_MADE}|[dt][iu]r|m[iu]z|ym[iu]s|yd[iu])"
)
TURKISH_AFTER_CONSONANT = (
    rf"(?:{_TURKISH_PLURAL}(?:{_TURKISH_TAIL})?|{_TURKISH_IN}|{_TURKISH_OF}|[iu]|[ae]|l[ae]|c[ae]"
    rf"|{_TURKISH_MADE}|[dt][iu]r|[iu]m[iu]z|m[iu]s)"
)
POLISH_ADJECTIVE = r"ow(?:y|a|e|ej|ego|emu|ym|ych|ymi)"
POLISH_AFTER_CONSONANT = rf"(?:u|a|owi|i?em|ie|y|i|ow|ami|ach|om|{POLISH_ADJECTIVE})"
POLISH_FOR_A = rf"(?:y|i|ie|e|a|o|ach|ami|om|{POLISH_ADJECTIVE})"
# The last consonant of a stem before the -e of the locative: Sofrada, Sofradzie; Zipkar, Zipkarze; Kestrel stays.
POLISH_SOFTENED = {"st": "sci", "d": "dzi", "t": "ci", "r": "rz", "k": "c", "g": "dz", "ch": "sz"}
VOWELS = "aeiouy"


def inflected(name: str) -> str:
    """A regular expression for a folded word and its forms; word boundaries are the caller's."""
    escaped = re.escape(name)
    if len(name) < SHORTEST or not name.isalpha():
        return rf"{escaped}(?:'s)?"
    ends_in_vowel = name[-1] in VOWELS
    turkish = TURKISH_AFTER_VOWEL if ends_in_vowel else TURKISH_AFTER_CONSONANT
    endings = [APOSTROPHE, "e?s", turkish.replace("[ae]", _low_vowels(name))]
    if not ends_in_vowel:
        endings.append(POLISH_AFTER_CONSONANT)
    elif name[-1] == "e":
        endings.append("(?:m|go|mu|n|i?u)")
    elif name[-1] == "y":
        endings.append("(?:m|ego|emu|ch)")
    forms = [rf"{escaped}(?:{'|'.join(endings)})?"]
    stem = name[:-1] if name[-1] in "ae" else name
    if name[-1] == "e":
        forms.append(rf"{re.escape(stem)}(?:u|ie|em|owi)")
    if name[-1] == "a":
        forms.append(rf"{re.escape(stem)}{POLISH_FOR_A}")
    if (softened := _softened(stem)) is not None:
        forms.append(rf"{re.escape(softened)}e")
    return f"(?:{'|'.join(forms)})"


def _low_vowels(name: str) -> str:
    """The low vowel that Turkish harmony lets follow: a after back vowels, e after front ones.

    Foreign names are harmonised as they sound, so a silent e (Voltane), -er (Twitter) and a soft l (Marisol) take both.
    """
    last = next((letter for letter in reversed(name) if letter in VOWELS), "e")
    if name.endswith(("e", "er")) or (name.endswith("l") and last in "aou"):
        return "[ae]"
    return "a" if last in "aou" else "e"


def _softened(stem: str) -> str | None:
    for end, soft in POLISH_SOFTENED.items():
        if stem.endswith(end):
            return stem[: -len(end)] + soft
    return None


def searched_forms(name: str, languages: tuple[str, ...]) -> list[str]:
    """The commonest forms of one word for networks that search whole words, if a language inflects it.

    Turkish endings mostly stand behind an apostrophe, at which networks part words; Polish ones do not.
    """
    if "pl" not in languages or len(name) < SHORTEST or not name.isascii() or not name.isalpha():
        return []
    if name[-1] == "a":
        return [name[:-1] + ending for ending in ("y", "ie", "ę", "ą", "o")]
    if name[-1] in VOWELS:
        return []
    return [name + ending for ending in ("u", "a", "owi", "em", "ie")]
