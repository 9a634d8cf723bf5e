"""A gate whose part the test plays: it takes enrollments, and tells each agent the map that the test last set."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Mapping
from typing import Any

import asyncssh
import msgspec
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from model.enrollment import format_enrollment_key, proof_mac
from model.ids import Address, DeviceID, Prefix, Version
from model.keys import Secret, SSHKey, WireGuardKey
from model.netmap import FilterDestination, FilterRule, NetMap, NetMapDevice, NetworkFacts, Peer, Trust, delta
from model.records import DeviceState, Route, RouteState
from model.wire import (
    Challenge,
    Endpoints,
    Enroll,
    Enrolled,
    Hello,
    Observed,
    Proof,
    Refused,
    enrollment_client_line,
    peers_client_line,
    read_line,
    write_line,
)

FACTS = NetworkFacts(domain="net.example.com", ipv4=Prefix("100.64.0.0/10"), ipv6=Prefix("fd7a:115c:a1e0::/48"))  # type: ignore[arg-type]


def allow(src: str, dst: str, first: int, last: int | None = None, *proto: int) -> FilterRule:
    return FilterRule((src,), (FilterDestination(dst, (first, last or first)),), proto)


class Seat:
    """One device as the played gate keeps it."""

    def __init__(self, id: str, name: str, wireguard_key: str, blob: bytes) -> None:
        self.id = DeviceID(id)
        self.name = name
        self.wireguard_key = WireGuardKey(wireguard_key)
        self.blob = blob
        self.ipv4 = Address(f"100.64.0.{id}")
        self.ipv6 = Address(f"fd7a:115c:a1e0::{id}")
        self.endpoints: tuple[str, ...] = ()
        self.observed: Mapping[str, str] = {}
        self.heard: list[msgspec.Struct] = []
        self.peers: set[str] = set()
        self.filter: tuple[FilterRule, ...] = ()
        self.routes: tuple[Prefix, ...] = ()
        self.told: NetMap | None = None
        self.channel: asyncssh.SSHServerProcess[bytes] | None = None
        self.connections = 0


class PlayedGate:
    def __init__(self, address: str) -> None:
        self.address = address
        self.host_ca = asyncssh.generate_private_key("ssh-ed25519")
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.certificate = self.host_ca.generate_host_certificate(self.host_key, "gate", principals=[address])
        self.seats: dict[str, Seat] = {}
        self.keys: set[str] = set()
        self.version = 0
        self.port = 0
        self.refuse: Refused | None = None
        self.names: dict[str, dict[str, tuple[str, ...]]] = {}
        self._server: asyncssh.SSHAcceptor | None = None

    def certificate_for(self, name: str | None) -> None:
        """Shows a certificate for another host from now on, or none."""
        made = self.host_ca.generate_host_certificate(self.host_key, "other", principals=[name]) if name else None
        assert self._server is not None
        self._server.update(server_host_keys=[(self.host_key, made) if made else self.host_key])

    @property
    def host_ca_key(self) -> SSHKey:
        return SSHKey(self.host_ca.public_data)

    def enrollment_key(self) -> Secret:
        key = format_enrollment_key(os.urandom(16).hex(), self.host_ca_key)
        self.keys.add(str(key))
        return key

    async def serve(self, sock: socket.socket) -> None:
        gate = self

        class Server(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                self.username = username
                return True

            def public_key_auth_supported(self) -> bool:
                return True

            def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
                self.conn = conn

            def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
                self.conn.set_extra_info(blob=key.public_data)
                return username == "enroll" or gate.seat_of(key.public_data) is not None

        self.port = sock.getsockname()[1]
        self._server = await asyncssh.listen(
            sock=sock,
            server_host_keys=[(self.host_key, self.certificate)],
            server_factory=Server,
            process_factory=self._serve,
            encoding=None,
            compression_algs=None,
        )

    def seat_of(self, blob: bytes) -> Seat | None:
        return next((seat for seat in self.seats.values() if seat.blob == blob), None)

    def seat(self, name: str) -> Seat:
        return next(seat for seat in self.seats.values() if seat.name == name)

    async def _serve(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        blob = process.get_extra_info("connection").get_extra_info("blob")
        with contextlib.suppress(OSError, asyncssh.Error):
            if process.subsystem == "enroll":
                await self._enroll(process, blob)
            else:
                await self._peers(process, blob)
        process.exit(0)

    async def _enroll(self, process: Any, blob: bytes) -> None:
        request = read_line(enrollment_client_line, await process.stdin.readline())
        assert isinstance(request, Enroll)
        private, nonce = X25519PrivateKey.generate(), os.urandom(32)
        public = base64.b64encode(private.public_key().public_bytes_raw()).decode()
        process.stdout.write(write_line(Challenge(gate_key=public, nonce=base64.b64encode(nonce).decode())))
        proof = read_line(enrollment_client_line, await process.stdin.readline())
        device_key = X25519PublicKey.from_public_bytes(base64.b64decode(request.wireguard_key))
        mac = proof_mac(private.exchange(device_key), nonce, SSHKey(blob), WireGuardKey(request.wireguard_key))
        assert isinstance(proof, Proof)
        assert base64.b64decode(proof.mac) == mac
        if request.enrollment_key not in self.keys:
            process.stdout.write(write_line(Refused(code="not-found", message="no such enrollment key", hint="ask")))
            return
        self.keys.discard(request.enrollment_key)
        seat = Seat(str(len(self.seats) + 1), request.name, request.wireguard_key, blob)
        self.seats[seat.id] = seat
        process.stdout.write(write_line(Enrolled(device=self.map_of(seat).device)))

    async def _peers(self, process: Any, blob: bytes) -> None:
        seat = self.seat_of(blob)
        assert seat is not None
        seat.connections += 1
        hello = read_line(peers_client_line, await process.stdin.readline())
        assert isinstance(hello, Hello)
        seat.heard.append(hello)
        if self.refuse is not None:
            process.stdout.write(write_line(self.refuse))
            return
        if seat.told is None or hello.version != seat.told.version:
            seat.told = self.map_of(seat)
            process.stdout.write(write_line(seat.told))
        seat.channel = process
        self.tell(seat)
        while line := await process.stdin.readline():
            message = read_line(peers_client_line, line)
            seat.heard.append(message)
            match message:
                case Endpoints(endpoints=endpoints):
                    seat.endpoints = endpoints
                    self.tell_all()
                case Observed(peers=peers):
                    seat.observed = peers
                case Hello():
                    seat.told = self.map_of(seat)
                    process.stdout.write(write_line(seat.told))
                case _:
                    pass
        if seat.channel is process:
            seat.channel = None

    def map_of(self, seat: Seat) -> NetMap:
        device = NetMapDevice(
            id=seat.id, name=seat.name, user="alice@example.com", ipv4=seat.ipv4, ipv6=seat.ipv6,  # type: ignore[arg-type]
            wireguard_key=seat.wireguard_key, state=DeviceState.APPROVED,
            routes=tuple(Route(prefix, RouteState.APPROVED) for prefix in seat.routes),
        )  # fmt: skip
        visible = [self.seats[id] for id in sorted(seat.peers, key=int)]
        peers = tuple(
            Peer(
                id=peer.id, name=peer.name, wireguard_key=peer.wireguard_key,  # type: ignore[arg-type]
                allowed_ips=(Prefix(f"{peer.ipv4}/32"), Prefix(f"{peer.ipv6}/128"), *peer.routes),
                endpoints=peer.endpoints,  # type: ignore[arg-type]
            )
            for peer in visible
        )  # fmt: skip
        names = {f"{peer.name}.net.example.com": {"A": (peer.ipv4,), "AAAA": (peer.ipv6,)} for peer in (seat, *visible)}
        return NetMap(
            version=Version(self.version), device=device, peers=peers, filter=seat.filter,
            names={**names, **self.names}, network=FACTS, trust=Trust(host_ca=(self.host_ca_key.line,)),  # type: ignore[arg-type, dict-item]
        )  # fmt: skip

    def tell(self, seat: Seat) -> None:
        if seat.channel is None or seat.told is None:
            return
        self.version += 1
        new = self.map_of(seat)
        change = delta(seat.told, new)
        if change is not None:
            seat.told = new
            seat.channel.stdout.write(write_line(change))

    def tell_all(self) -> None:
        for seat in self.seats.values():
            self.tell(seat)

    def join(self, *names: str) -> None:
        """Makes the named devices peers of each other."""
        ids = {self.seat(name).id for name in names}
        for id in ids:
            self.seats[id].peers |= ids - {id}
        self.tell_all()

    def part(self, one: str, other: str) -> None:
        a, b = self.seat(one), self.seat(other)
        a.peers.discard(b.id)
        b.peers.discard(a.id)
        self.tell_all()

    async def drop(self, name: str) -> None:
        """Ends the connection of a device."""
        channel = self.seat(name).channel
        assert channel is not None
        channel.get_extra_info("connection").abort()

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
            for seat in self.seats.values():
                if seat.channel is not None:
                    seat.channel.get_extra_info("connection").abort()
            # Not waited for: from Python 3.12 on that lasts until the last connection ends, and one may be to an
            # address that is gone.


@contextlib.asynccontextmanager
async def played_gate(sock: socket.socket, address: str = "127.0.0.1") -> AsyncIterator[PlayedGate]:
    gate = PlayedGate(address)
    await gate.serve(sock)
    try:
        yield gate
    finally:
        await gate.close()


async def soon(what: Any, *, of: str, seconds: float = 20) -> Any:
    """The first true answer of `what`, while the gate goes on serving."""
    end = asyncio.get_running_loop().time() + seconds
    while not (answer := await asyncio.to_thread(what)):
        assert asyncio.get_running_loop().time() < end, f"waited {seconds:.0f} s for {of}"
        await asyncio.sleep(0.05)
    return answer
