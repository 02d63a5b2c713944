"""Identifiers that are the same in every replay."""

import hashlib

#: Hexadecimal digits of an identifier: 64 bits.
LENGTH = 16


def stable_hash(*parts: str | int) -> str:
    """Return 16 hexadecimal digits (64 bits) that depend on the parts and their order alone."""
    joined = "\x1f".join(str(part) for part in parts)
    return hashlib.blake2b(joined.encode("utf-8", "surrogatepass"), digest_size=LENGTH // 2).hexdigest()


def incident_id(environment: str, rules_version: str, fingerprint: str, started: int) -> str:
    """Return the id of the incident of `fingerprint` that began in the epoch second `started`."""
    return stable_hash("incident", environment, rules_version, fingerprint, started)


def alert_id(incident: str, channel: str, kind: str, interval: int) -> str:
    """Return the id of the alert of `kind` that tells `channel` of an incident in its interval number."""
    return stable_hash("alert", incident, channel, kind, interval)
