"""Overview of the network in memory."""

from __future__ import annotations

import msgspec
from seeds import HOUR, MINUTE, NOW, Seeds

from console.app.backend import (
    GateLine,
    Need,
    Overview,
)
from model.records import (
    DeviceState,
)


def overview(of: Seeds) -> Overview:
    """What Overview tells of the network in memory."""
    devices = list(of.devices.values())
    if not devices:
        return Overview(people=len(of.users), policy=of.policies[-1].number)
    states = {state.value: sum(1 for d in devices if d.state is state) for state in DeviceState}
    online = sum(1 for d in devices if of.online(d.id))
    states |= {"online": online, "offline": states.pop("approved") - online}
    of.waiting = msgspec.structs.replace(of.waiting, online=online)
    pending = [d for d in devices if d.state is DeviceState.PENDING]
    expired = [d for d in devices if d.state is DeviceState.EXPIRED]
    needs = []
    if pending:
        names = ", ".join(d.name for d in pending)
        needs.append(
            Need(
                state="waiting",
                what=f"{len(pending)} devices ask to join",
                detail=names,
                since=NOW - 360,
                go=("Devices", "state:pending"),
                deed=("devices", "approve", *[d.name for d in pending]),
            )
        )
    if expired:
        needs.append(
            Need(
                state="bad",
                what=f"{len(expired)} devices expired",
                detail=f"last {expired[0].name}",
                since=NOW - 31 * MINUTE,
                go=("Devices", "state:expired"),
            )
        )
    needs += [
        Need(
            state="waiting",
            what="User CA generation 4 is pending",
            detail="18 devices to trust it",
            since=NOW - 2 * HOUR,
            go=("Certificates",),
        ),
        Need(
            state="waiting",
            what="gw-ber-1 offers 10.20.0.0/16",
            detail="route not approved",
            since=NOW - 5 * HOUR,
            go=("Devices", "gw-ber-1"),
        ),
    ]
    history = [round(online * (0.82 + 0.17 / (1 + 2.718 ** (-(at - 80) / 6)) + _wave(at))) for at in range(143)]
    return Overview(
        devices=len(devices),
        online=online,
        people=212,
        certificates=1567,
        policy=of.policies[-1].number,
        needs=tuple(needs),
        changes=tuple(reversed(of.entries[-40:])),
        history=(*history, online),
        states=states,
        gate=tuple(
            GateLine(label=label, value=value, go=(go,) if go else ())
            for label, value, go in (
                ("version", "1.0.0, up 41 d", ""),
                ("agents", f"{online:,} connected", "Devices"),
                ("promptness", "at once", ""),
                ("change", "number 48212", "Activity"),
                ("backup", "2 h ago", "Activity"),
                ("user CA", "3 active, 4 pending", "Certificates"),
                ("host CA", "2 active", "Certificates"),
                ("KRL", "17 entries", "Certificates"),
                ("policy", "version 87", "Access"),
                ("disk", "61 % free", "Settings"),
            )
        ),
    )


def _wave(at: int) -> float:
    return 0.012 * ((at * 7919) % 13 / 13 - 0.5)
