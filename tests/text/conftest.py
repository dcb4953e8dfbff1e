from __future__ import annotations

import os
from pathlib import Path

import pytest

from groundup.errors import MachineError
from groundup.text.cache import cache_directory
from groundup.text.catalogue import CATALOGUE
from groundup.text.fetch import fetch

# Read while tests are collected, before the session is given a cache of its own.
USERS_CACHE = os.environ.get("GROUNDUP_CACHE", "")


@pytest.fixture(scope="session")
def plays_cache(own_cache: Path) -> Path:
    """A cache with the catalogue's plays: the user's, so that the registry is needed only the first time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROUNDUP_CACHE", USERS_CACHE)
        try:
            cache = cache_directory()
        except MachineError:
            cache = own_cache
    fetch(CATALOGUE["shakespeare"], cache, print)
    return cache
