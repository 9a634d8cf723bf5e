"""Records as JSON documents: keys in snake_case, times RFC 3339 in UTC, keys as their lines."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from model.keys import SSHKey
from model.records import Certificate, Device, EnrollmentKey, Generation, User, UserKey

TIMES = frozenset({
    "at", "created_at", "approved_at", "expires_at", "last_seen", "added_at", "revoked_at", "used_at", "confirm_by",
    "asked_at", "given_at", "until", "valid_after", "valid_before", "issued_at", "activated_at", "trusted_until",
    "retired_at", "last_end", "started_at", "ends_at", "ended_at", "auth_time", "proved_at", "kept_at",
})  # fmt: skip
"""Keys whose numbers are moments."""


def timestamp(seconds: int) -> str:
    """RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def builtins(value: Any) -> Any:
    """Any value of the model as what JSON has, times written out."""
    return _written(msgspec.to_builtins(value, enc_hook=str))


def _written(value: Any) -> Any:
    if isinstance(value, dict):
        if set(value) == {"blob"} and isinstance(value["blob"], str):
            return SSHKey(msgspec.convert(value["blob"], bytes)).line
        return {
            key: timestamp(item) if key in TIMES and isinstance(item, int) else _written(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [_written(item) for item in value]
    return value


def device(record: Device, online: Callable[[Any], bool]) -> dict[str, Any]:
    return {**builtins(record), "online": online(record.id)}


def user(record: User) -> dict[str, Any]:
    return builtins(record)  # type: ignore[no-any-return]


def user_key(record: UserKey) -> dict[str, Any]:
    return {**builtins(record), "key": record.key.line, "fingerprint": record.key.fingerprint}


def enrollment_key(record: EnrollmentKey) -> dict[str, Any]:
    """Without the hash, which is nobody's business."""
    shown = {key: value for key, value in builtins(record).items() if key != "hash"}
    return {**shown, "state": record.state(int(time.time())).value}


def certificate(record: Certificate) -> dict[str, Any]:
    shaped = builtins(record)
    shaped["certificate"] = shaped.pop("line")
    return {**shaped, "state": record.state(int(time.time())).value}


def generation(record: Generation) -> dict[str, Any]:
    return {**builtins(record), "key": record.key.line, "fingerprint": record.key.fingerprint}
