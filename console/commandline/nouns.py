"""The nouns, told without importing what is behind them: help has to be quick."""

from __future__ import annotations

from collections.abc import Mapping

NOUNS: Mapping[str, str] = {
    "users": "people: roles, keys, passwords, invitations",
    "devices": "machines in the network: approve, tag, expire, routes",
    "enrollment-keys": "keys that let a device join",
    "policy": "who may reach what: check, set, explain, roll back",
    "names": "DNS names of the network",
    "certs": "SSH certificates: list, sign, revoke, KRL",
    "ca": "the SSH CA's keys, and trusting them",
    "settings": "what can be set for the network",
    "audit": "who did what, when, from where",
    "gate": "the gate itself: status, doctor, backup",
}

MINE: Mapping[str, str] = {
    "cert": "a certificate for your own key: cert < KEY.pub > CERT",
    "me": "who you are here, your devices, keys and certificates",
    "keys": "the SSH keys that let you in here",
    "logout": "end what your logins gave",
}
"""Commands that anyone has, of their own."""
