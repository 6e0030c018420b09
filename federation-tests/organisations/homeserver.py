"""Starts Synapse where names below `localhost` are this machine, as RFC 6761 (section 6.3) wants it. Not every system's
resolver does so, and the demo must not need a line in /etc/hosts.

    python homeserver.py -c homeserver.yaml
"""

import socket

resolve = socket.getaddrinfo


def resolve_localhost(host, *rest, **named):
    name = host.decode() if isinstance(host, bytes) else host
    if name and name.rstrip(".").endswith(".localhost"):
        name = "127.0.0.1"
    return resolve(name, *rest, **named)


# Before Synapse is imported: Twisted takes the function once.
socket.getaddrinfo = resolve_localhost

from synapse.app.homeserver import main  # noqa: E402

main()
