"""Internet addresses, of version 4 (RFC 791) and 6 (RFC 4291)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from groundup.text.privacy.finding import CHECKED, Finding, said_before

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
FOUR_NUMBERS = re.compile(r"[0-9]{1,3}\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]")
VERSION_4 = re.compile(rf"(?<![\w])(?<![\w.][.\-])(?:{OCTET}\.){{3}}{OCTET}(?![\w])(?!\.[0-9])(?!-[\w])")
VERSION_WORDS = r"v|ver|version|release|release[sd]|rev|firmware|build|upgrade[sd]?|chapter|section|§|assemblyversion|package|since|rfc|oid|patch|dated|driver|update[sd]?|installed"
HOST_WORDS = (
    r"ip|addr|host|server|client|dns|ping|ssh|login|request|https?://|gateway|from|peer|remote|nameserver|resolver"
)
CALLED_VERSION = re.compile(
    rf"(?:\b(?:{VERSION_WORDS})[\"':=.]*[ ]?[\"'=:(]?[ ]?(?:to |from )?|(?:==|>=|<=|~=|[~^])[ ]?)$", re.IGNORECASE
)
TWO_COLONS = re.compile(r":[0-9A-Fa-f]{0,4}:")
VERSION_6_LEFT = re.compile(r"[0-9A-Fa-f:]*\Z")
VERSION_6 = re.compile(r"[0-9A-Fa-f:]+(?:[0-9]{1,3}(?:\.[0-9]{1,3}){3})?")
LONGEST_VERSION_6 = 45
OURS_4 = ipaddress.ip_network("240.0.0.0/4")  # RFC 1112: reserved; `pseudonyms` draws from here
OURS_6 = ipaddress.ip_network("3fff::/20")  # RFC 9637: for documentation; `pseudonyms` draws from here


def find_ips(text: str) -> Iterator[Finding]:
    """All addresses that a machine can have, private ones too: not 127.0.0.1 and ::1, not 0.0.0.0, masks, broadcast, or four-part versions."""
    for four in FOUR_NUMBERS.finditer(text):
        match = VERSION_4.match(text, four.start())
        if match:
            address = ipaddress.IPv4Address(match.group())
            small = int(address) < 10 << 24 and max(address.packed) < 100
            if small and not said_before(text, match.start(), HOST_WORDS, 30):
                continue  # far more often a version or a section
            if address.is_loopback or address.is_unspecified or address in OURS_4 or int(address) < 1 << 24:
                continue
            if not CALLED_VERSION.search(text, max(0, match.start() - 24), match.start()):
                yield Finding("ip", "ip_v4", match.start(), match.end(), CHECKED)
    done = 0
    for hit in TWO_COLONS.finditer(text):
        if hit.start() < done:
            continue
        left = VERSION_6_LEFT.search(text[max(0, hit.start() - LONGEST_VERSION_6) : hit.start()])
        start = hit.start() - len(left.group() if left else "")
        match = VERSION_6.match(text, start)
        if match is None:
            continue
        done = match.end()
        address_text, end = match.group().rstrip(":"), match.end()
        if match.group().endswith("::"):
            address_text += "::"
        end = start + len(address_text)
        if _is_version_6(address_text) and not _in_word(text, start, end):
            yield Finding("ip", "ip_v6", start, end, CHECKED)


def _in_word(text: str, start: int, end: int) -> bool:
    before, after = text[start - 1 : start], text[end : end + 1]
    return before.isalnum() or (before in ("_", ":") and bool(before)) or after.isalnum() or after == "_"


def _is_version_6(characters: str) -> bool:
    groups = [group for group in characters.split(":") if group]
    if len(groups) < 8 and not (
        "::" in characters and len(groups) >= 2 and len(groups[0]) >= 3 and characters[0] in "23fF"
    ):
        return False  # `a::b` is C++, and a time is not an address
    try:
        address = ipaddress.IPv6Address(characters)
    except ValueError:
        return False
    return not address.is_loopback and address not in OURS_6
