"""Secrets: keys by the prefixes that their makers give them, private keys, signed tokens, passwords in addresses, and values that are assigned to one."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator

from groundup.text.privacy.finding import CHECKED, CONTEXT, Finding, lower, occurrences

PREFIXED = {
    prefix: re.compile(
        r"(?<![A-Za-z0-9])" + ("[rs]" if prefix[:2] == "k_" else "") + re.escape(prefix) + rest + r"(?![A-Za-z0-9])"
    )
    for prefix, rest in {
        "AKIA": "[A-Z0-9]{16}",  # Amazon
        "ASIA": "[A-Z0-9]{16}",
        "gh": "[opsur]_[A-Za-z0-9]{30,255}",  # GitHub
        "github_pat_": "[A-Za-z0-9_]{22,255}",
        "glpat-": "[A-Za-z0-9_.-]{20,64}",  # GitLab
        "sk-": "[A-Za-z0-9_-]{20,200}",  # OpenAI, Anthropic and others
        "AIza": "[A-Za-z0-9_-]{35}",  # Google
        "ya29.": "[A-Za-z0-9_-]{30,}",
        "GOCSPX-": "[A-Za-z0-9_-]{20,40}",
        "xox": "[abeoprs]-[A-Za-z0-9-]{10,200}",  # Slack
        "xapp-": "[A-Za-z0-9-]{20,200}",
        "hooks.slack.com/services/": "[A-Za-z0-9/_]{20,80}",
        "k_live_": "[A-Za-z0-9]{16,200}",  # Stripe: sk_ and rk_
        "k_test_": "[A-Za-z0-9]{16,200}",
        "whsec_": "[A-Za-z0-9+/=]{20,100}",
        "SK": "[0-9a-f]{32}",  # Twilio
        "SG.": r"[A-Za-z0-9_-]{16,32}\.[A-Za-z0-9_-]{16,64}",  # SendGrid
        "npm_": "[A-Za-z0-9]{36}",
        "pypi-": "[A-Za-z0-9_-]{50,}",
        "hf_": "[A-Za-z0-9]{30,40}",  # Hugging Face
        "dop_v1_": "[a-f0-9]{64}",  # DigitalOcean
        "shp": "(?:at|ss|ca|pa)_[a-fA-F0-9]{32}",  # Shopify
        "lin_api_": "[A-Za-z0-9]{40}",
        "PMAK-": "[A-Za-z0-9-]{50,64}",
        "dckr_pat_": "[A-Za-z0-9_-]{20,40}",
        "hvs.": "[A-Za-z0-9_-]{24,200}",  # Vault
        "AGE-SECRET-KEY-1": "[A-Z0-9]{58}",
        "EAACEdEose0cBA": "[A-Za-z0-9]+",
        "sq0csp-": "[A-Za-z0-9_-]{43}",
    }.items()
}
BOT = re.compile(r"(?<![\w-])[0-9]{8,10}:AA[\w-]{33}(?![\w-])")  # Telegram
TOKEN = re.compile(r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}")  # RFC 7519
KEY_BEGINS = re.compile(r"-----BEGIN ((?:[A-Z0-9]{1,20} ){0,4}PRIVATE KEY(?: BLOCK)?)-----")
_BREAK = r"(?:\s|\\[rn])*"
KEY_LINES = re.compile(
    rf"(?:{_BREAK}[A-Za-z-]{{3,20}}: [^\n\\]{{1,200}}(?=\n|\\n))*(?:{_BREAK}[A-Za-z0-9+/=]{{16,}}){{1,400}}(?:{_BREAK}[A-Za-z0-9+/=]{{1,15}}(?=\s|\\|$))?"
)
LONGEST_KEY = 20_000  # characters
IN_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://[^\s:/@<>\"'?#]{0,64}:([^\s/@<>\"'{}$?#]{3,128})@", re.IGNORECASE)
HEADER = re.compile(r"(?:Bearer|Basic|Token|bearer|basic) +([A-Za-z0-9+/=_.~-]{20,})")
NAMES = ("assw", "assphrase", "pwd", "ecret", "oken", "key", "redential", "contraseña", "de passe")
ASSIGNED = re.compile(
    r"(?:passw(?:or[dt]|d)?|passphrase|pwd|secret|token|api[ _-]?key|account[ _-]?key|access[ _-]?key(?:[ _-]?id)?|private[ _-]?key|credentials?|auth[ _-]?key|encryption[ _-]?key|contraseña|mot de passe)[a-z0-9_]{0,16}"
    r"[\"'\]`]{0,2}(?:: ?(?:str|string|String|&str))?\s{0,3}(?:=>|:=|={1,2}|:| is )\s{0,3}(?P<value>\"[^\"\n]{4,256}\"|'[^'\n]{4,256}'|`[^`\n]{4,256}`|[^\s\"'`,;<>(){}\[\]\\]{6,256})",
    re.IGNORECASE,
)
ASSIGNED_SOON = re.compile(r"[\w\s\"'\]`-]{0,48}?(?:[:=]| is )", re.IGNORECASE)  # cheaper, and true of all that match
NOT_A_VALUE = re.compile(
    r"\$|%[({sd]|\{\{|<|\.\.\.|…|\*{3}|x{4,}|(?:your|my|the|some|example|enter|insert|change|replace|dummy|fake|placeholder|none|null|true|false|undefined|required|optional|os\.|env|self\.|process\.|config|settings|get|str|string|bytes|int|http)(?=[\W_]|[A-Z]?[a-z]{2}|$)",
    re.IGNORECASE,
)
TURN = re.compile("[a-z][A-Z]")
CODE = re.compile(
    r"[A-Za-z_]\w*(?:(?:\.|->|::)\w+)+|[a-z_]+|[A-Z_]+|[A-Z]?[a-z]+(?:[A-Z][a-z]*)+[0-9]?|[A-Za-z]+(?:_[A-Za-z]+)+[0-9]?"
)


def find_secrets(text: str) -> Iterator[Finding]:
    """All secrets of a text. Of `password = "…"` the value alone is one, and only where it looks random or mixes letters with digits or signs."""
    for prefix, pattern in PREFIXED.items():
        if prefix in text:
            for match in pattern.finditer(text):
                if has_digits_or_both_cases(match.group()[len(prefix) :]):
                    yield Finding("secret", "api_key", match.start(), match.end(), CHECKED)
    if "eyJ" in text:
        for match in TOKEN.finditer(text):
            yield Finding("secret", "signed_token", match.start(), match.end(), CHECKED)
    if ":AA" in text:
        for match in BOT.finditer(text):
            yield Finding("secret", "api_key", match.start(), match.end(), CHECKED)
    if "PRIVATE KEY" in text:
        yield from _find_private_keys(text)
    for at in occurrences(text, "://"):
        inside = IN_ADDRESS.search(text, max(0, at - 20), at + 200)
        if inside and inside.start() < at < inside.end() and not NOT_A_VALUE.match(inside.group(1)):
            yield Finding("secret", "password_in_address", inside.start(1), inside.end(1), CHECKED + 1)
    for at in occurrences(text, "earer ", "Basic ", "basic "):
        header = HEADER.match(text, at - (text[at] == "e"))
        if header and looks_random(header.group(1)):
            yield Finding("secret", "header", header.start(1), header.end(1), CONTEXT)
    yield from _find_assigned(text)


def _find_private_keys(text: str) -> Iterator[Finding]:
    """From BEGIN to END, whatever stands between; of a key without its END the lines that look like one."""
    done = 0
    for begin in KEY_BEGINS.finditer(text):
        if begin.start() < done:
            continue
        last_line = f"-----END {begin[1]}-----"
        end = text.find(last_line, begin.end() + 20, begin.end() + LONGEST_KEY)
        lines = KEY_LINES.match(text, begin.end())
        done = end + len(last_line) if end >= 0 else lines.end() if lines else begin.end()
        if done > begin.end():
            yield Finding("secret", "private_key", begin.start(), done, CHECKED + 1)


def _find_assigned(text: str) -> Iterator[Finding]:
    done = -1
    for at in sorted(occurrences(lower(text), *NAMES)):
        if at < done or not ASSIGNED_SOON.match(text, at):
            continue
        match = ASSIGNED.search(text, max(0, at - 12), min(len(text), at + 320))
        if match is None or match.start() > at:
            continue
        start, end = match.span("value")
        quoted = text[start] in "\"'`"
        value = text[start + 1 : end - 1] if quoted else match.group("value").rstrip(".:!?")
        if _is_secret(value, quoted):
            start += quoted
            yield Finding("secret", "assigned", start, start + len(value), CONTEXT)
            done = start + len(value)


def _is_secret(value: str, quoted: bool) -> bool:
    """Whether an assigned value is one, rather than a name, a sentence, a template or a call."""
    if NOT_A_VALUE.match(value) or " " in value.strip() or len(set(value)) < 4:
        return False
    if CODE.fullmatch(value):
        return (
            quoted and len(TURN.findall(value)) * 6 >= len(value) >= 16
        )  # lower case and capitals change as often as by chance
    if quoted and len(value) >= 16 and looks_random(value) and re.fullmatch(r"[\w+/=-]+", value):
        return True
    if value.startswith(("/", "./", "~", "-", "=", "&", "|", "\\", "+", "#")) or value.isdigit():
        return quoted and not value.startswith(("/", "./", "~")) and len(value) >= 6 and value.isdigit()
    letters, digits = any(map(str.isalpha, value)), any(map(str.isdigit, value))
    signs = any(not character.isalnum() for character in value)
    if quoted:
        return len(value) >= 6 and letters and (digits or (signs and not re.fullmatch(r"[\w .:/-]+", value)))
    return len(value) >= 8 and letters and digits and (looks_random(value) or len(value) < 20)


def has_digits_or_both_cases(value: str) -> bool:
    """Whether it is more than a word."""
    return any(map(str.isdigit, value)) or (any(map(str.isupper, value)) and any(map(str.islower, value)))


def looks_random(value: str) -> bool:
    """Whether its characters are as mixed as in a key: at least 3 bits a character (Shannon), digits and letters."""
    counts = Counter(value)
    entropy = -sum(count / len(value) * math.log2(count / len(value)) for count in counts.values())
    return entropy >= 3 and any(map(str.isdigit, value)) and any(map(str.isalpha, value))
