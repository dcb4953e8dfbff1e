"""Measurements that anyone can repeat. A package, so that Opacus, which installs one of this name, does not stand in its place."""
