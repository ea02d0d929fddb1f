#!/usr/bin/env python3
"""A workload: gets its identity from the SPIFFE Workload API with the stock client, and nothing else.

  workload.py serve PORT SPIFFE_ID   one mutual TLS connection, from this identity alone
  workload.py call PORT SPIFFE_ID    the other end of it
  workload.py fetch [AUDIENCE]       shows which identity this process gets

serve and call go on until the Workload API ends their stream, and say why. The socket is
SPIFFE_ENDPOINT_SOCKET. No key is written to a disk.
"""

import os
import socket
import ssl
import sys
import threading

from cryptography.hazmat.primitives import serialization
from spiffe import WorkloadApiClient
from spiffe.errors import PySpiffeError

PEM = serialization.Encoding.PEM
TIMEOUT = 10


def say(text):
    print(text, flush=True)


def in_memory(content):
    """A file descriptor for APIs that read files: its content is in no file system."""
    fd = os.memfd_create("svid", os.MFD_CLOEXEC)
    os.write(fd, content)
    return f"/proc/self/fd/{fd}"


def tls_context(purpose, context):
    svid = context.default_svid
    bundle = context.x509_bundle_set.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain)
    key = svid.private_key.private_bytes(
        PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    chain = b"".join(certificate.public_bytes(PEM) for certificate in svid.cert_chain)
    roots = b"".join(root.public_bytes(PEM) for root in bundle.x509_authorities)
    tls = ssl.SSLContext(purpose)
    tls.minimum_version = ssl.TLSVersion.TLSv1_3
    tls.check_hostname = False  # a SPIFFE ID stands for the peer, not a host name
    tls.verify_mode = ssl.CERT_REQUIRED
    tls.load_verify_locations(cadata=roots.decode())
    tls.load_cert_chain(in_memory(chain), in_memory(key))
    return tls


def peer_id(connection):
    names = connection.getpeercert().get("subjectAltName", ())
    return next((value for kind, value in names if kind == "URI"), None)


def require(connection, expected):
    found = peer_id(connection)
    if found != expected:
        raise SystemExit(f"the peer is {found}, not {expected}")


def serve(context, port, expected):
    tls = tls_context(ssl.PROTOCOL_TLS_SERVER, context)
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(TIMEOUT)
        say(f"waits for {expected}")
        with tls.wrap_socket(server.accept()[0], server_side=True) as connection:
            require(connection, expected)
            connection.sendall(f"welcome, {expected}\n".encode())
            say(f"served {expected}")


def call(context, port, expected):
    tls = tls_context(ssl.PROTOCOL_TLS_CLIENT, context)
    with socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT) as plain:
        with tls.wrap_socket(plain) as connection:
            require(connection, expected)
            say(f"{expected} says: {connection.makefile().readline().strip()}")


def run(act, port, expected):
    """Acts on the first update, and stays until the stream ends."""
    first = threading.Event()
    ended = threading.Event()
    updates = []

    def on_update(context):
        updates.append(context)
        first.set()

    def on_end(error):
        say(f"the stream of identities ended: {error}")
        ended.set()
        first.set()

    with WorkloadApiClient() as client:
        client.stream_x509_contexts(on_update, on_end, retry_connect=False)
        if not first.wait(TIMEOUT) or not updates:
            raise SystemExit("no identity")
        say(f"this process is {updates[0].default_svid.spiffe_id}")
        act(updates[0], port, expected)
        ended.wait()


def fetch(audience):
    with WorkloadApiClient() as client:
        for svid in client.fetch_x509_svids(timeout=TIMEOUT):
            say(f"this process is {svid.spiffe_id}, until {svid.leaf.not_valid_after_utc}")
        if audience:
            svid = client.fetch_jwt_svid(audience={audience}, timeout=TIMEOUT)
            say(f"JWT-SVID of {svid.spiffe_id} for {audience}, until {svid.expiry}")


def main(arguments):
    try:
        match arguments:
            case ["serve" | "call" as verb, port, expected]:
                run({"serve": serve, "call": call}[verb], int(port), expected)
            case ["fetch", *audience] if len(audience) <= 1:
                fetch(audience[0] if audience else None)
            case _:
                raise SystemExit(__doc__)
    except PySpiffeError as error:
        raise SystemExit(f"refused: {error}") from None


if __name__ == "__main__":
    main(sys.argv[1:])
