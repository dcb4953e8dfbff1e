"""Postal addresses: a street with its number, and the place behind it; of the United States, Britain and Ireland, Germany and its
neighbours, France, Spain, Italy, the Netherlands, Belgium, Portugal, Brazil, Poland and the Nordic countries; some of Canada, Australia,
New Zealand and India."""

from __future__ import annotations

import re
from collections.abc import Iterator

from groundup.text.privacy.finding import CONTEXT, SHAPE, Finding, occurrences, said_before

_UP = "A-ZÀ-ÖØ-ÞĀĂĄĆČĐĘĚĞİŁŃŇŐŒŘŚŞŠŤŮŰŹŻŽ"
_NAME = rf"[{_UP}][\w'’.\-]*"
_NUMBER = r"(?<![\w.,/$€£#:+\-])(?<!\d )[0-9]{1,5}(?:[A-Za-z]|[-/][0-9]{1,4}|[ -]1/2)?"
_PLACE = rf"{_NAME}(?:(?:[ \-]|[ -](?:de|du|des|la|le|les|am|an der|im|in|bei|ob der|upon|on|under|sur|en|sous|del|di|do|da|den|der|aan)[ -]|[ -][dl]['’]){_NAME}){{0,4}}"
_GAP = r"(?:, ?| ?,? ?\n[ \t]{0,8}| ?- ?| )"
STRONG = "Street|Avenue|Ave|Road|Rd|Boulevard|Blvd|Lane|Ln|Parkway|Pkwy|Crescent|Terrace|Drive|Mews|Highway|Hwy|STREET|AVENUE|ROAD|LANE|DRIVE|street|avenue|road|lane|boulevard"
WEAK = "St|Dr|Court|Ct|Place|Pl|Square|Sq|Ter|Way|Circle|Cir|Trail|Trl|Close|Gardens|Grove|Row|Hill|Walk|Alley|Loop|Plaza|Park|View|Green|Rise|Quay|Broadway|Pike|Turnpike|Run|Path|Point|Ridge|Yard|Vale|Wharf"
UNIT = r"(?:Apt|Apartment|Suite|Ste|Unit|Flat|Floor|Fl|Room|Rm|#|Studio|Building|Bldg)\.? ?#?[0-9A-Z][0-9A-Za-z\-]{0,5}(?:st|nd|rd|th)?(?: [Ff]loor)?"
ZIP = r"(?:[A-Z]{2}|[A-Z][a-z]+(?: [A-Z][a-z]+)?)\.?,? {1,2}[0-9]{5}(?:-[0-9]{4})?(?![\w])"
CANADA = r"(?:AB|BC|MB|NB|NL|NS|NT|NU|ON|PE|QC|SK|YT|\(Québec\)|Québec|Ontario),? {1,2}[ABCEGHJ-NPRSTVXY][0-9][A-Z] ?[0-9][A-Z][0-9](?!\w)"
AUSTRALIA = r"(?:NSW|VIC|QLD|SA|WA|TAS|ACT|NT),? {1,2}[0-9]{4}(?!\w)"
UK_POSTCODE = r"(?:[A-PR-UWYZ][A-HK-Y]?[0-9][0-9A-HJKMNP-Y]?|GIR) ?[0-9][ABD-HJLNP-UW-Z]{2}(?!\w)"
IRELAND = r"(?:[AC-FHKNPRTV-Y][0-9]{2}|D6W) ?[0-9AC-FHKNPRTV-Y]{4}(?!\w)"
IN_TOWN = rf"{_PLACE}(?: -|,)? [0-9]{{6}}(?!\w)|{_PLACE} (?!19|20)[0-9]{{4}}(?!\w)|{_PLACE} [0-9]{{1,2}}, {IRELAND}"  # India, New Zealand, Dublin
STREET = rf"{_NUMBER},? (?:(?:[NSEW]{{1,2}}\.?|North|South|East|West) )?(?:(?:{_NAME}|[0-9]{{1,3}}(?:st|nd|rd|th)|of|the|and) ){{1,4}}?"
LOCALITY = rf"(?:{_GAP}{UNIT})?(?:{_GAP}{_PLACE}){{0,3}}?{_GAP}(?:{ZIP}|{UK_POSTCODE}|{CANADA}|{AUSTRALIA}|{IRELAND})|(?:{_GAP}{UNIT})?{_GAP}(?:{IN_TOWN})"
ENGLISH = re.compile(
    rf"{STREET}(?:(?:{STRONG})\b\.?(?: (?:[NSEW]{{1,2}}|North|South|East|West|Upper|Lower)\b)?(?:{LOCALITY}|(?:{_GAP}{UNIT})?(?:, {_PLACE}, [A-Z]{{2}}\b)?)|(?:{WEAK})\b\.?(?: [NSEW]{{1,2}}\b)?(?:{LOCALITY}|{_GAP}{UNIT}(?:, {_PLACE}, [A-Z]{{2}}\b)?|, {_PLACE}, [A-Z]{{2}}\b|(?=[,.;\n]|$)))"
)
ANY_STREET_ZIP = re.compile(
    rf"(?<![\w.,/$€£#:+\-])[0-9]{{1,6}}(?:/[0-9]{{1,4}})?,? (?:{_NAME}|[0-9]{{1,3}}(?:st|nd|rd|th))(?: {_NAME}){{0,4}}(?:{_GAP}{UNIT})?(?:,|,?\n|,? ) ?{_PLACE},? (?:{ZIP}|{CANADA}|{AUSTRALIA})"
)
MILITARY = re.compile(
    r"(?:PSC|Unit|USNS|USS|CMR) [\w ]{2,30}?(?: Box [0-9]{1,5})?[,\n ]{1,2}(?:APO|FPO|DPO),? A[AEP] [0-9]{5}(?:-[0-9]{4})?"
)
BRITISH = re.compile(UK_POSTCODE)
BRITISH_PART = re.compile(
    rf"(?:(?:Flat|Studio|Apartment|Unit|Apt) [0-9]{{1,4}}[A-Za-z]?,? )?(?:[0-9]{{1,4}}[A-Za-z]?(?:-[0-9]{{1,4}})?,? )?{_PLACE}|(?:Flat|Studio|Apartment|Unit) [0-9]{{1,4}}[A-Za-z]?"
)

CONTINENTAL_NUMBER = r"[0-9]{1,4}(?: ?[a-zA-Z](?!\w))?(?: ?[-–/] ?[0-9]{1,4} ?[a-z]?|-[A-Z](?!\w))?(?![\w.,]?[0-9%])"
CONTINENTAL_PLACE = rf"(?:(?:D|DE|A|AT|CH|F|FR|B|NL|E|ES|I|IT|PL)[- ])?(?:[0-9]{{5}}|[0-9]{{3}} [0-9]{{2}}|[0-9]{{4}} ?[A-Z]{{2}}(?!\w)|(?!19|20)[0-9]{{4}}|[0-9]{{2}}-[0-9]{{3}}|[0-9]{{4}}-[0-9]{{3}})(?:,? |\n){_PLACE}"
BOX = re.compile(
    rf"(?:\bP\.? ?O\.? ?Box|\bPO BOX|\bPost Office Box|\bRR [0-9]{{1,3}} Box|\bPostfach|\bBoîte postale|\bB\.P\.|\bBP|\bApartado(?: de Correos)?|\bCasella postale|\bPostbus) (?:[0-9]{{1,3}}(?: [0-9]{{2,3}}){{1,2}}|[0-9]{{1,6}})(?!\d)"
    rf"(?:{_GAP}{CONTINENTAL_PLACE}|(?:{_GAP}{_PLACE}){{0,2}}?{_GAP}(?:{ZIP}|{UK_POSTCODE}|{CANADA}|{AUSTRALIA}))?"
)
_GERMAN_WORDS = rf"(?:(?:An|Am|Auf|Im|In|Zum|Zur|Unter|Alte|Alter|Neue|Neuer|Große|Kleine)(?: (?:der|den|dem|am))? )?(?:{_NAME}[ -]){{0,3}}?"
GERMAN_STREET = re.compile(
    rf"(?<!\w){_GERMAN_WORDS}[{_UP}][\w.\-]{{0,30}}?(?:(?:s|S)traße|(?:s|S)trasse|(?:s|S)tr\.|gasse|Gasse|allee|Allee|platz|Platz|chaussee|straat|laan|gracht|plein|kade|singel|dreef)"
    rf" {CONTINENTAL_NUMBER}(?:{_GAP}{CONTINENTAL_PLACE})?"
)
CONTINENTAL = re.compile(
    rf"(?<!\w)(?:{_NAME}[ -]){{0,4}}?(?:(?:der|den|dem|de|van|von|zum|zur|am) )?(?:{_NAME}|gate|gata|vei|veien|vej|väg|tie|katu),? {CONTINENTAL_NUMBER}(?:,? (?:[0-9]{{1,2}}\. ?(?:tv|th|mf|sal)\.?|(?:bst|lgh|as|m|lok)\.? ?[0-9]{{1,4}})|(?<= [A-Z]) [0-9]{{1,3}})?(?:, ?|,?\n[ \t]{{0,8}}){CONTINENTAL_PLACE}"
)
_FRENCH_STREET = rf"(?:[Rr]ue|[Aa]venue|[Aa]v\.|[Bb]oulevard|[Bb]d\.?|[Pp]lace|[Cc]hemin|[Aa]llée|[Ii]mpasse|[Qq]uai|[Cc]ours|[Rr]oute|[Ss]quare|[Pp]assage|[Vv]oie|[Ff]aubourg|[Rr]uelle|[Ss]entier|RUE|AVENUE|BOULEVARD)(?: (?:de|du|des|la|le|les|à|aux|en|et|sur)(?!\w)| d['’]| l['’]|(?<=['’])[{_UP}][\w'’.\-]*| {_NAME}| [0-9]{{1,2}}(?!\d)){{1,8}}"
FRENCH = re.compile(
    rf"(?<![\w.,/\-])[0-9]{{1,4}}(?: ?(?:bis|ter|quater|[A-D]))?,? {_FRENCH_STREET}(?:{_GAP}(?:F-)?[0-9]{{5}} {_PLACE}|{_GAP}{_PLACE},? {CANADA})?"
)
FRENCH_UNNUMBERED = re.compile(
    rf"(?<!\w){_FRENCH_STREET}(?:{_GAP}(?:F-)?[0-9]{{5}} {_PLACE}|,? {CONTINENTAL_NUMBER}{_GAP}{CONTINENTAL_PLACE}|(?<= [0-9]{{2}}){_GAP}{CONTINENTAL_PLACE}|(?<= [0-9]){_GAP}{CONTINENTAL_PLACE})"
)
ROMANCE = re.compile(
    rf"(?:Calle|C/|C\.|Avenida|Avda?\.?|Av\.|Plaza|Pza\.?|Paseo|Pº|Camino|Carrer|Rúa|Ronda|Glorieta|Cuesta|Callejón|Pasaje|Urbanización|Acceso|Alameda|Vial|Cañada|Rambla|Via|Viale|Piazza|Piazzale|Corso|Largo|Vicolo|Strada|Borgo|Contrada|Stretto|Rotonda|Incrocio|Canale|Rua|Travessa|Praça|Estrada|Rodovia|Praceta)"
    rf"(?:[ ](?:de|del|della|delle|dello|dei|degli|di|da|do|dos|das|la|las|los|el|e|y|i|san|santa)(?!\w)|[ ]d['’]|[ ]?dell['’]|[ ]?{_NAME}|(?<=['’]){_NAME}| [IVX]+| [0-9]{{1,2}}(?= [a-z{_UP}])){{1,7}}"
    rf",? ?(?:n[.ºo°]{{0,2}} ?|núm\. ?|nº ?)?(?:[0-9]{{1,4}}(?:[/ ]?[A-Z](?!\w))?|s/n|snc)(?![\w.,]?[0-9%])"
    rf"(?:,? ?(?:[0-9]{{1,2}}\.?[ºª°]\.?(?: ?(?:[A-Z]|izq|izda|dcha|dch|cto|Esq|Dto|Dt|Fte|Frente)\b\.?| [0-9]{{1,2}}[ºª°])?|piso [0-9]{{1,2}}|apto\.? ?[0-9]{{1,4}}|(?:Piso|Puerta|Apt\.|Apto\.|Appartamento|Piano|Interno) [0-9]{{1,3}}))?(?:{_GAP}(?:{_PLACE}{_GAP})?{CONTINENTAL_PLACE}(?: ?\([A-Z]{{2}}\))?|(?:{_GAP}{_PLACE}){{1,3}}(?: ?[-/] ?|, )[A-Z]{{2}}(?!\w)(?:,? ?(?:CEP:? ?)?[0-9]{{5}}-?[0-9]{{3}}(?!\d))?|{_GAP}{_PLACE}, [0-9]{{5}}(?!\d)|, {_PLACE})?"
)
POLISH = re.compile(
    rf"(?<!\w)(?:ul|al|os|pl)\. ?(?:{_NAME}[ -]){{1,4}}{CONTINENTAL_NUMBER}(?:,? (?:m|lok)\.? ?[0-9]{{1,4}})?{_GAP}[0-9]{{2}}-[0-9]{{3}} {_PLACE}"
)
GERMAN_NEEDLES = ("traße ", "trasse ", "tr. ", "asse ", "llee ", "latz ", "haussee ", "straat ", "laan ", "gracht ", "plein ", "kade ", "singel ", "dreef ")  # fmt: skip
POSTCODED = re.compile(
    rf"[0-9]{{1,4}}(?: ?[a-zA-Z]|\. ?t[vh]\.?)?(?:, ?|,?\n[ \t]{{0,8}})(?:[A-Z]{{1,2}}-)?(?:[0-9]{{5}}|[0-9]{{3}} [0-9]{{2}}|[0-9]{{4}}(?: ?[A-Z]{{2}})?|[0-9]{{2}}-[0-9]{{3}})(?:,? |\n)[{_UP}]"
)
STREET_BEGINS = re.compile(
    r"(?<![0-9])[0-9][0-9A-Za-z/\-]{0,6}(?: 1/2)?,? (?=[A-Z0-9]|bis|ter|quater|rue|av|bo|bd|pl|ch|al|im|qu|co|ro|sq|pa|vo|fa|se)"
)
UNIT_BEFORE = re.compile(
    r"(?<!\w)(?:Level|Unit|Suite|Apt\.?|Flat|Apartment|Floor|Lot|Shop) (?:[0-9]{1,4}[A-Za-z]?[ ,/\n]{1,2})?$"
)
YEAR_AND_WORDS = re.compile(r"(?:19|20)[0-9]{2} [^0-9,\n]+")  # `2012 Nathan Ridge`, after a copyright sign
LEFT, RIGHT = 90, 160


def find_addresses(text: str) -> Iterator[Finding]:
    """All addresses of a text, from the street or house to the place as far as it is there."""
    for begin in STREET_BEGINS.finditer(text):
        at = begin.start()
        for form, pattern in (("english", ENGLISH), ("english", ANY_STREET_ZIP), ("french", FRENCH)):
            match = pattern.match(text, at)
            if match and not YEAR_AND_WORDS.fullmatch(match.group()):
                yield _finding(form, match)
    for at in occurrences(text, *GERMAN_NEEDLES):
        if text[text.find(" ", at) + 1 : text.find(" ", at) + 2].isdigit():
            yield from _around("german_dutch", GERMAN_STREET, text, at)
    for hit in POSTCODED.finditer(text):
        yield from _around("continental", CONTINENTAL, text, hit.start())
    for at in occurrences(
        text, "rue ", "Rue ", "venue ", "oulevard ", "hemin ", "lace ", "oute ", "llée ", "mpasse ", "uai "
    ):
        yield from _around("french", FRENCH_UNNUMBERED, text, at)
    for at in occurrences(text, "ul. ", "al. ", "os. ", "pl. "):
        yield from _around("polish", POLISH, text, at)
    for match in ROMANCE.finditer(text):
        if not text[match.start() - 1 : match.start()].isalnum():
            yield _finding("romance", match)
    for match in BRITISH.finditer(text):
        yield from _british(text, match)
    for at in occurrences(text, "Box ", "BOX ", "Postfach ", "Postbus ", "postale ", "Apartado ", "B.P. ", "BP "):
        box = BOX.search(text, max(0, at - 16), at + 120)
        if box:
            yield _finding("box", box)
    for at in occurrences(text, "APO", "FPO", "DPO"):
        yield from _around("military", MILITARY, text, at)


def _finding(form: str, match: re.Match[str]) -> Finding:
    end = match.end()
    while match.string[end - 1] in " .-'’" and end > match.start() + 1:
        end -= 1
    unit = UNIT_BEFORE.search(match.string, max(0, match.start() - 24), match.start())
    return Finding("address", form, unit.start() if unit else match.start(), end, CONTEXT)


def _around(form: str, pattern: re.Pattern[str], text: str, at: int) -> Iterator[Finding]:
    """Matches that hold `at`, begun at most a line before it."""
    start = max(0, at - LEFT)
    for match in pattern.finditer(text, start, min(len(text), at + RIGHT)):
        if match.start() <= at < match.end():
            yield _finding(form, match)
            return


def _british(text: str, postcode: re.Match[str]) -> Iterator[Finding]:
    """The parts of an address before a British postcode, as far back as the house; a postcode alone only where it is called one."""
    if text[postcode.start() - 1 : postcode.start()].isalnum() and postcode.start():
        return
    start, house = postcode.start(), False
    for _ in range(6):
        gap = re.search(r"(?:, ?|,?\n[ \t]{0,8}| )$", text[max(0, start - 12) : start])
        if gap is None:
            break
        stop = start - len(gap.group())
        begin = max(text.rfind(",", 0, stop), text.rfind("\n", 0, stop), stop - 60) + 1
        part = text[begin:stop]
        lead = len(part) - len(part.lstrip())
        whole = BRITISH_PART.fullmatch(part.strip())
        if whole is None:
            tail = re.search(
                rf"[0-9]{{1,4}}[A-Za-z]?,? {_PLACE}$|(?:Flat|Studio|Apartment|Unit) [0-9]{{1,4}}[A-Za-z]?$|(?<=[a-z:] ){_PLACE}$",
                part,
            )
            if tail:
                start, house = begin + tail.start(), True
            break
        start = begin + lead
        if whole.group()[0].isdigit() or whole.group().startswith(("Flat", "Studio", "Apartment", "Unit")):
            house = True
            if not re.match(r"(?:Flat|Studio|Apartment|Unit)", text[max(0, start - 12) : start]):
                above = re.search(
                    r"(?:Flat|Studio|Apartment|Unit) [0-9]{1,4}[A-Za-z]?(?:, ?|\n)$", text[max(0, start - 24) : start]
                )
                start -= len(above.group()) if above else 0
            break
    if house or start < postcode.start() - 12:
        yield Finding("address", "british", start, postcode.end(), CONTEXT)
    elif said_before(text, postcode.start(), "post ?code|zip", 20):
        yield Finding("address", "british", postcode.start(), postcode.end(), SHAPE)
