"""Tokens, TLS and proofs between nodes, end to end, under every server, with real certificates."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import trustme

from frontends.common import proof
from frontends.common.access import Access
from frontends.common.settings import Settings
from pbproto import encode

from .harness import Cluster, Node, free_port, wait_until
from .raw_http import Wire
from .test_process import SERVERS

READER, WRITER, ADMIN, PEER = "r" * 16, "w" * 16, "a" * 16, "p" * 16
TOKENS = f"read {READER}\nwrite {WRITER}\nadmin {ADMIN}\npeer {PEER}\n"
WITH_TLS = [name for name in SERVERS if name != "granian"]


class Secrets:
    """A file of tokens, and an authority with a certificate for all nodes of this machine."""

    def __init__(self, folder: Path) -> None:
        self.tokens = folder / "tokens"
        self.tokens.write_text(TOKENS)
        self.ca, self.cert, self.key = (folder / name for name in ("ca.pem", "cert.pem", "key.pem"))
        self.authority = trustme.CA()
        self.authority.cert_pem.write_to_path(self.ca)
        self.issue()

    def issue(self) -> None:
        """A new certificate of the same authority."""
        made = self.authority.issue_cert("127.0.0.1")
        made.private_key_pem.write_to_path(self.key)
        self.cert.write_bytes(b"".join(part.bytes() for part in made.cert_chain_pems))

    def environment(self, *, tls: bool = True) -> dict[str, str]:
        """What the nodes are told."""
        found = {"PBPROTO_TOKENS": str(self.tokens)}
        if tls:
            found |= {
                "PBPROTO_TLS_CERT": str(self.cert),
                "PBPROTO_TLS_KEY": str(self.key),
                "PBPROTO_TLS_CA": str(self.ca),
            }
        return found


@contextlib.contextmanager
def guarded(folder: Path, server: str, secrets: Secrets, n: int, *, tls: bool = True) -> Iterator[Cluster]:
    """A cluster that lets nobody in without a token."""
    kind = SERVERS[server]
    with Cluster(folder, kind, n, env=secrets.environment(tls=tls), servers={kind: server}) as cluster:
        for node in cluster.nodes.values():
            node.token = ADMIN
        cluster.start_all()
        yield cluster


def refused(answer: httpx.Response, status: int) -> None:
    """The request was turned away as a problem document says it."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status


def as_(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("server", WITH_TLS)
def test_a_cluster_with_tls_and_tokens_serves_and_turns_strangers_away(server: str, tmp_path: Path) -> None:
    """Goal: with tokens and TLS everything works for those who may, and nothing for the others.

    Method: two nodes; write through the backup (so that mail passes in both directions); then each request
    with the wrong token; mail without a certificate, and with a certificate of another authority; plain
    HTTP; and a body that is too long for the direct way, which goes by the framework.
    """
    secrets = Secrets(tmp_path)
    with guarded(tmp_path, server, secrets, 2) as cluster:
        cluster.install([1, 2])
        primary, backup = cluster.node(1), cluster.node(2)
        assert backup.put("k", "v", headers=as_(WRITER)).status_code == 201
        assert backup.put("long", "x" * 200_000, headers=as_(WRITER)).status_code == 201
        assert primary.get("k", headers=as_(READER)).json() == {"value": "v"}
        assert len(primary.get("long", headers=as_(READER)).json()["value"]) == 200_000
        assert sorted(backup.data(headers=as_(READER)).json()) == ["k", "long"]
        refused(primary.put("k", "w", headers=as_(READER)), 403)
        # gunicorn hangs up on a body that nobody reads.
        with contextlib.suppress(*((httpx.TransportError,) if server == "gunicorn" else ())):
            refused(primary.put("long", "x" * 200_000, headers=as_(READER)), 403)
        primary.close_client()  # gunicorn may be about to close that connection
        refused(primary.get("k", headers=as_("wrong" * 4)), 401)
        refused(primary.data(headers=as_(ADMIN)), 403)
        refused(primary.request("PUT", "/view", json={"view": []}, headers=as_(WRITER)), 403)
        assert primary.request("GET", "/ping", headers=as_("x")).status_code == 200
        assert primary.get("k", headers=as_(READER)).json() == {"value": "v"}
        stranger = trustme.CA()
        own = stranger.issue_cert("127.0.0.1")
        for context in (client_context(secrets), client_context(secrets, own)):
            with contextlib.suppress(httpx.TransportError):  # TLS itself turns the second one away
                with httpx.Client(verify=context, trust_env=False) as client:
                    answer = client.post(f"{primary.url}/peer", content=encode(()))
                refused(answer, 401)
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{primary.address}/ping", trust_env=False)
        cluster.assert_none_died()
        for node in cluster.nodes.values():
            assert "level=error" not in node.log_text()


def client_context(secrets: Secrets, own: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """Trusts the nodes; shows a certificate if there is one."""
    context = ssl.create_default_context(cafile=str(secrets.ca))
    if own is not None:
        own.configure_cert(context)
    return context


@pytest.mark.parametrize("server", WITH_TLS)
def test_tokens_and_certificates_are_rotated_without_a_restart(server: str, tmp_path: Path) -> None:
    """Goal: secrets change while the node lives.

    Method: new tokens, another authority; the next connection has its certificate, the next request needs the
    token. Mail with a certificate of the old authority is taken before; then it is refused, although
    TLS itself goes on with the session in which that certificate was shown.
    """
    secrets = Secrets(tmp_path)
    with guarded(tmp_path, server, secrets, 1) as cluster:
        cluster.install([1])
        node = cluster.node(1)
        peer = client_context(secrets)
        peer.load_cert_chain(secrets.cert, secrets.key)
        access = Access(Settings(id=1, tokens=str(secrets.tokens)))
        status, session, _ = posted(node, peer, access, None)
        assert status == 200
        before = presented(node)
        secrets.authority = trustme.CA()
        secrets.authority.cert_pem.write_to_path(secrets.ca)
        secrets.issue()
        secrets.tokens.write_text(TOKENS.replace(WRITER, "n" * 16))
        wait_until(lambda: presented(node) != before, "the new certificate is presented")
        new = as_("n" * 16)
        wait_until(lambda: node.put("k", "v", headers=new).status_code in (200, 201), "the token is good")
        refused(node.put("k", "v", headers=as_(WRITER)), 401)
        status, _, resumed = posted(node, peer, access, session)
        assert (status, resumed) == (401, True)


def posted(
    node: Node, context: ssl.SSLContext, access: Access, session: ssl.SSLSession | None
) -> tuple[int, ssl.SSLSession | None, bool | None]:
    """The status of the answer to an empty mail; the session of TLS, and whether it was that one before."""
    mail = proof.nothing(1)
    lines = "".join(f"{name}: {value}\r\n" for name, value in proof.ask(access, node.id, mail).headers)
    head = f"POST /peer HTTP/1.1\r\nhost: x\r\n{lines}content-length: {len(mail)}\r\n\r\n"
    host, _, port = node.address.rpartition(":")
    with (
        socket.create_connection((host, int(port)), 60) as plain,
        context.wrap_socket(plain, server_hostname=host, session=session) as secure,
    ):
        secure.sendall(head.encode() + mail)
        return int(secure.recv(65_536).split()[1]), secure.session, secure.session_reused


def presented(node: Node) -> bytes | None:
    """The certificate that a node presents."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    host, _, port = node.address.rpartition(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain) as secure:
        return secure.getpeercert(binary_form=True)


class Stranger:
    """Listens where a view says that a node is, and keeps all that it gets. It answers as it is told to."""

    def __init__(self, relay_to: str = "") -> None:
        self.got: list[bytes] = []
        self._relay_to = relay_to
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection, connection.makefile("rb") as file:
            while line := file.readline():
                headers: dict[str, str] = {}
                while (header := file.readline()).strip():
                    name, _, value = header.decode().partition(":")
                    headers[name.lower()] = value.strip()
                body = file.read(int(headers.get("content-length", "0")))
                assert line.startswith(b"POST /peer")
                self.got.append(body)
                self._answer(connection, headers, body)

    def _answer(self, connection: socket.socket, headers: dict[str, str], body: bytes) -> None:
        extra, content = "", encode(())
        if self._relay_to:
            kept = {name: value for name, value in headers.items() if name.startswith("pbproto")}
            answer = httpx.post(f"http://{self._relay_to}/peer", content=body, headers=kept, trust_env=False)
            content = answer.content
            extra = f"pbproto-mac: {answer.headers.get('pbproto-mac', '')}\r\n"
        head = f"HTTP/1.1 200 OK\r\n{extra}content-length: {len(content)}\r\n\r\n"
        connection.sendall(head.encode() + content)

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("server", ["hypercorn", "waitress"])
@pytest.mark.parametrize("relays", [False, True])
def test_a_view_cannot_make_a_node_send_data_to_a_stranger(server: str, relays: bool, tmp_path: Path) -> None:
    """Goal: whoever names an address of his own in a view is sent nothing by it.

    Method: a node with data is told a view with a stranger as node 9, who answers each mail as if all were
    well, or passes it on to the node itself and gives back what that says. The stranger must have been
    asked, and have got empty mail only; the node says in its log that nothing was proved.
    """
    secrets = Secrets(tmp_path)
    with guarded(tmp_path, server, secrets, 1, tls=False) as cluster:
        cluster.install([1])
        node = cluster.node(1)
        assert node.put("secret", "x" * 1000, headers=as_(WRITER)).status_code == 201
        stranger = Stranger(node.address if relays else "")
        with contextlib.closing(stranger):
            view = [node.member, {"id": 9, "address": stranger.address}]
            assert node.request("PUT", "/view", content=json.dumps({"view": view})).status_code == 200
            wait_until(lambda: len(stranger.got) > 2, "the stranger was asked several times")
            assert set(stranger.got) == {encode((), 1)}  # as everybody understands it
        wait_until(lambda: "event=peer_not_proved" in node.log_text(), "it is in the log")
        assert node.log_text().count("event=peer_not_proved") == 1


@pytest.mark.parametrize("server", SERVERS)
def test_mail_of_strangers_is_refused(server: str, tmp_path: Path) -> None:
    """Goal: nobody poses as a primary. Method: mail without a proof, with a wrong one, and a long one."""
    secrets = Secrets(tmp_path)
    with guarded(tmp_path, server, secrets, 1, tls=False) as cluster:
        node = cluster.node(1)
        headers = {"pbproto-nonce": "1-" + "0" * 32, "pbproto-digest": "0" * 64, "pbproto-mac": "0" * 64}
        for extra in ({}, headers, as_(ADMIN)):
            refused(node.request("POST", "/peer", content=encode(()), headers=extra), 401)
        with contextlib.suppress(httpx.TransportError):  # gunicorn hangs up on a body that nobody reads
            refused(node.request("POST", "/peer", content=b"x" * 300_000), 401)
        node.close_client()  # the server may be about to close that connection
        assert node.view()["status"] == "none"


@pytest.mark.parametrize("kind", ["quart", "wsgi"])
@pytest.mark.parametrize(
    ("environment", "bind", "word"),
    [
        ({}, "0.0.0.0", "say --insecure"),
        ({"PBPROTO_TOKEN_READ": READER}, "127.0.0.1", "role peer"),
        ({"PBPROTO_TOKENS": "/nowhere/tokens"}, "127.0.0.1", "/nowhere/tokens"),
        ({"PBPROTO_TLS_CERT": "/nowhere/cert"}, "127.0.0.1", "belong together"),
    ],
)
def test_a_node_that_would_be_open_does_not_start(
    kind: str, environment: dict[str, str], bind: str, word: str, tmp_path: Path
) -> None:
    """Goal: nobody opens a store to the world by accident, or with half a configuration.

    Method: start it; it has to end with status 2 and one line that says what to do.
    """
    port = free_port()
    node = Node(1, kind, f"127.0.0.1:{port}", tmp_path / "log", env=environment, bind=f"{bind}:{port}")
    node.start()
    assert node.process is not None
    try:
        assert node.process.wait(60) == 2
    finally:
        node.kill()
    (line,) = [line for line in node.log_text().splitlines() if not line.startswith("----")]
    assert word in line


def test_a_client_that_is_gone_does_not_close_the_node(tmp_path: Path) -> None:
    """Goal: nobody makes a node deaf by hanging up. Waitress took it for an error of the listening socket.

    Method: while the node is paused, connections with some bytes are reset; then it goes on, and serves.
    """
    secrets = Secrets(tmp_path)
    with guarded(tmp_path, "waitress", secrets, 1) as cluster:
        node = cluster.node(1)
        node.close_client()
        node.pause()
        host, _, port = node.address.rpartition(":")
        for _ in range(3):
            with socket.create_connection((host, int(port))) as gone:
                gone.sendall(b"x")
                gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        node.resume()
        assert node.request("GET", "/ping").status_code == 200
        assert "level=error" not in node.log_text()


def test_waitress_keeps_no_body_of_a_stranger(tmp_path: Path) -> None:
    """Goal: without a token nobody fills the memory or the disk; waitress takes bodies in before it asks.

    Method: bodies of some megabytes that are not over, with a length and in chunks, to every route, and one
    of somebody who may. Only that one is in a file; ``/proc`` shows those that have no name any more. Then
    the end of each, and its answer.
    """
    secrets = Secrets(tmp_path)
    size, piece = 3_000_000, b"x" * 100_000
    with guarded(tmp_path, "waitress", secrets, 1, tls=False) as cluster, contextlib.ExitStack() as stack:
        node = cluster.node(1)
        cluster.install([1])
        assert node.process is not None
        files = Path(f"/proc/{node.process.pid}/fd")
        wires = []
        for target in ("PUT /data/k", "POST /peer", "PUT /view", "GET /data", "GET /nowhere"):
            for length in (f"content-length: {size}", "transfer-encoding: chunked"):
                wire = stack.enter_context(Wire(node.address))
                wire.send(f"{target} HTTP/1.1\r\nhost: x\r\n{length}\r\n\r\n".encode())
                chunked = length.startswith("t")
                wires.append((wire, chunked, 404 if "nowhere" in target else 401))
        may = stack.enter_context(Wire(node.address))
        head = f"PUT /data/k HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {WRITER}\r\n"
        may.send(f"{head}content-length: {size}\r\n\r\n".encode())
        wires.append((may, False, 400))
        for wire, chunked, _ in wires:
            for _ in range(size // len(piece) - 1):
                wire.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        # The last one was read last, in the order in which they were sent.
        wait_until(lambda: kept_in_files(files), "the body of who may is kept")
        for wire, chunked, _ in wires[:-1]:
            wire.send(b"%x\r\n%b\r\n0\r\n\r\n" % (len(piece), piece) if chunked else piece)
        for wire, _, status in wires[:-1]:
            answer = wire.answer()
            assert answer is not None
            assert answer.status == status
        assert kept_in_files(files) == 1
        may.send(piece)
        answer = may.answer()
        assert answer is not None
        assert answer.status == 400


def kept_in_files(descriptors: Path) -> int:
    """How many files without a name a process has open, with something in them."""
    found = 0
    for each in descriptors.iterdir():
        with contextlib.suppress(OSError):
            found += "(deleted)" in str(each.readlink()) and each.stat().st_size > 0
    return found
