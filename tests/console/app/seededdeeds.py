"""What is done to the network in memory: it changes as at the gate, as far as the screens can tell."""

from __future__ import annotations

import json
from collections.abc import Sequence

import msgspec
from seeds import Seeds

from console.app.backend import (
    Outcome,
)
from model import change as c
from model.errors import NotFound
from model.records import (
    DeviceState,
    PolicyVersion,
)


class Deeds(Seeds):
    def resized(self, columns: int, rows: int) -> None:
        """Nothing here is laid out for a width."""

    async def perform(self, words: Sequence[str], stdin: str = "") -> Outcome:
        self.ran.append(tuple(words))
        self.stdins.append(stdin)
        if self.refusal is not None:
            refusal, self.refusal = self.refusal, None
            return refusal
        deed = getattr(self, "_do_" + "_".join(words[:2]).replace("-", "_"), None)
        if deed is None:
            return Outcome(output="done\n", wrote=not {"lookup", "show"}.intersection(words[1:2]))
        try:
            said = deed(*words[2:], **({"stdin": stdin} if stdin else {}))
        except NotFound as missing:
            return Outcome(status=1, error=missing.message, hint=missing.hint or "")
        self._note(self._me.name.partition("@")[0], " ".join(words[:2]), words[2] if len(words) > 2 else "")
        return Outcome(output=said or "", wrote=True)

    def _do_devices_approve(self, *names: str) -> None:
        for name in names:
            device = self._put(self._named(name), state=DeviceState.APPROVED, approved_at=self.clock)
            self.tell(c.DeviceApproved(device=device))

    def _do_devices_disable(self, *names: str) -> None:
        for name in names:
            self.tell(c.DeviceDisabled(device=self._put(self._named(name), state=DeviceState.DISABLED)))

    def _do_devices_enable(self, *names: str) -> None:
        self._do_devices_approve(*names)

    def _do_devices_rename(self, name: str, new: str) -> None:
        device = self._put(self._named(name), name=new)
        self.tell(c.DeviceRenamed(device=device, was=name))  # type: ignore[arg-type]

    def _do_devices_tag(self, *words: str) -> None:
        tags = tuple(word for word in words if word.startswith("tag:"))
        for name in words[: len(words) - len(tags)]:
            self.tell(c.DeviceTagged(device=self._put(self._named(name), tags=tags, user=None)))

    def _do_devices_expire(self, *words: str) -> None:
        for name in words[: words.index("--in")] if "--in" in words else words:
            device = self._put(self._named(name), state=DeviceState.EXPIRED, expires_at=self.clock)
            self.tell(c.DeviceExpired(device=device))

    def _do_devices_remove(self, *names: str) -> None:
        for name in names:
            device = self._named(name)
            del self.devices[device.id]
            self.tell(c.DeviceRemoved(id=device.id, name=device.name))

    def _do_devices_list(self) -> str:
        return "\n".join(device.name for device in list(self.devices.values())[:50])

    def _do_certs_revoke(self, *serials: str) -> None:
        self.certificates = [
            msgspec.structs.replace(x, revoked_at=self.clock) if str(x.serial) in serials else x
            for x in self.certificates
        ]
        self.tell(c.CertificatesRevoked(revocations=()))

    def _do_enrollment_keys_create(self, *words: str) -> str:
        return json.dumps({"id": "k-0193", "key": "wge_5Jt93cQe0vY1kXw8rT2nBq4Lm.SHA256:8fKqLw"})

    def _do_gate_sample_data(self) -> str:
        self._machines(60)
        self._signed()
        self._rest()
        self._history()
        self.tell(c.SettingSet(key="sample", value=True))
        return "made 60 devices\n"

    def _do_policy_set(self, *words: str, stdin: str = "") -> str:
        number = self.policies[-1].number + 1
        wait = 60 if "--confirm-within" in words else None
        version = PolicyVersion(
            number=number,
            text=stdin,
            created_at=self.clock,
            created_by=self._me.name,
            confirm_by=self.clock + 60 if wait else None,
        )
        self.policies.append(version)
        self.tell(c.PolicySet(policy=version))
        return f"version {number}\n"

    def _do_policy_confirm(self) -> str:
        self.policies[-1] = msgspec.structs.replace(self.policies[-1], confirm_by=None)
        self.tell(c.PolicyConfirmed(number=self.policies[-1].number))
        return "confirmed\n"

    def _do_policy_rollback(self, *words: str) -> str:
        number = self.policies[-1].number + 1
        version = PolicyVersion(
            number=number, text=self.policies[-2].text, created_at=self.clock, created_by=self._me.name
        )
        self.policies.append(version)
        self.tell(c.PolicySet(policy=version))
        return f"version {number}\n"
