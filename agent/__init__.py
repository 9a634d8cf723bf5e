"""On a device: enroll, follow, plan, apply. Speaks the protocol in model's words; no gate needs to be installed.

    joining, join, enroll     how this machine becomes a device
    door, follow              one connection, the newest NetMap
    tunnel, paths, plan       from a NetMap to operations: pure
    nft, hosts, sshd          what is written, as texts and files
    linux                     the one module that touches the network
    state, keeper             what is kept, what was done, what is to be undone

The entry functions are `agent.up.up`, `agent.down.down`, `agent.status.status` and `agent.status.ping`.
"""
