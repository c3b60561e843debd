"""What a well-behaved server cannot be made to do: bytes written by hand.

Each path is one behaviour, registered by `@behaviour`. It gets a Peer whose
request has been read and checked, does its worst, and returns; `Peer.finish`
then reads what the client says to it until the connection is over.
"""

import base64
import hashlib
import socket
import struct
import sys
import threading
import time

from record import Record

GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
# How long a client may take for anything before the record says so.
PATIENCE = 5

BEHAVIOURS = {}
# Bound but never listening: whoever connects is refused.
REFUSING = socket.socket()


def behaviour(path):
    def register(function):
        BEHAVIOURS[path] = function
        return function

    return register


def frame(opcode, payload=b"", fin=True, rsv=0, length=None, mask=None):
    """A frame; `length` is (announced length, bytes of the length field)."""
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    size = len(payload)
    announced, width = length or (size, 0 if size < 126 else 2 if size < 65536 else 8)
    bit = 0x80 if mask is not None else 0
    if width == 0:
        head += bytes([bit | announced])
    elif width == 2:
        head += bytes([bit | 126]) + struct.pack(">H", announced)
    else:
        head += bytes([bit | 127]) + struct.pack(">Q", announced)
    if mask is not None:
        head += mask
        payload = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
    return head + payload


def close_frame(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


class Peer:
    """One client: its request, and reading and writing by hand."""

    def __init__(self, sock):
        self.sock = sock
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.kept = b""
        self.masks = []
        self.closed = False
        head = self.until_blank_line()
        request, *lines = head.decode("latin-1").split("\r\n")
        method, target, version = request.split(" ")
        headers = [tuple(part.strip(" \t") for part in line.split(":", 1)) for line in lines]
        self.path = target.split("?")[0]
        self.record = Record(target, headers)
        self.check_request(method, version)
        key = self.record.fields["headers"].get("sec-websocket-key", "")
        digest = hashlib.sha1(key.encode() + GUID).digest()
        self.accept = base64.b64encode(digest).decode()

    def check_request(self, method, version):
        """RFC 6455, section 4.1."""
        get = self.record.fields["headers"].get
        host = "%s:%d" % self.sock.getsockname()
        try:
            key = len(base64.b64decode(get("sec-websocket-key", ""), validate=True))
        except ValueError:
            key = None
        wrong = {
            "method": method != "GET",
            "HTTP version": version != "HTTP/1.1",
            "Host": get("host") != host,
            "Upgrade": get("upgrade", "").lower() != "websocket",
            "Connection": "upgrade" not in get("connection", "").lower().replace(" ", "").split(","),
            "Sec-WebSocket-Key": key != 16,
            "Sec-WebSocket-Version": get("sec-websocket-version") != "13",
        }
        for name, is_wrong in wrong.items():
            if is_wrong:
                self.record.problem(f"the request's {name} is wrong")

    # ---- bytes ----

    def until_blank_line(self):
        while b"\r\n\r\n" not in self.kept:
            self.more()
        head, self.kept = self.kept.split(b"\r\n\r\n", 1)
        return head

    def more(self):
        data = self.sock.recv(65536)
        if not data:
            raise EOFError
        self.kept += data

    def exactly(self, count):
        while len(self.kept) < count:
            self.more()
        data, self.kept = self.kept[:count], self.kept[count:]
        return data

    def write(self, data):
        self.sock.sendall(data)

    def drip(self, data):
        for at in range(len(data)):
            self.write(data[at : at + 1])
            time.sleep(0.001)

    # ---- the upgrade ----

    def response(self, status="101 Switching Protocols", extra=(), without=(), **changed):
        """The response's bytes; `changed` replaces a header, `without` drops it."""
        headers = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Accept": self.accept,
        }
        headers.update({name.replace("_", "-"): value for name, value in changed.items()})
        lines = [f"HTTP/1.1 {status}"]
        lines += [f"{name}: {value}" for name, value in headers.items() if name not in without]
        lines += [f"{name}: {value}" for name, value in extra]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def text(self, text):
        """The bytes of a whole text message, recorded as sent."""
        self.record.sent(text)
        return frame(TEXT, text.encode())

    # ---- the client's frames ----

    def read_frame(self):
        """The next frame, unmasked; EOFError at the end of the connection."""
        first, second = self.exactly(2)
        size = second & 0x7F
        if size == 126:
            (size,) = struct.unpack(">H", self.exactly(2))
        elif size == 127:
            (size,) = struct.unpack(">Q", self.exactly(8))
        if not second & 0x80:
            self.record.problem("a frame of the client is not masked")
            return first & 15, self.exactly(size)
        mask = self.exactly(4)
        self.masks.append(mask)
        data = self.exactly(size)
        return first & 15, bytes(b ^ mask[i % 4] for i, b in enumerate(data))

    def read_close(self):
        """Reads on to the client's Close; None if the connection ends first."""
        try:
            while True:
                opcode, data = self.read_frame()
                if opcode == CLOSE:
                    code = struct.unpack(">H", data[:2])[0] if data else None
                    self.record.close(code, data[2:].decode(errors="replace"))
                    return data
                if opcode in (TEXT, BINARY):
                    self.record.got(data.decode() if opcode == TEXT else data)
                elif opcode == PONG:
                    self.record.pong(data)
                elif opcode == PING:
                    self.record.ping(data)
        except EOFError:
            return None

    def finish(self):
        """Reads to the client's Close and, as a server does, ends TCP first."""
        if self.closed:
            return
        self.read_close()
        self.sock.shutdown(socket.SHUT_WR)
        while self.sock.recv(65536):
            self.record.problem("the client sent more after its Close")

    def check_masks(self):
        if len(self.masks) > 1 and len(set(self.masks)) == 1:
            self.record.problem("every frame of the client has the same mask key")

    def drop(self):
        """Ends the connection with FIN, as a crashed process does."""
        self.sock.close()
        self.closed = True

    def drop_after_client(self, shut=True):
        """Closes once the client has, so that it never sees a reset before."""
        if shut:
            self.sock.shutdown(socket.SHUT_WR)
        while self.sock.recv(65536):
            pass
        self.drop()


# ---- responses that open --------------------------------------------------------


@behaviour("/hello")
def hello(peer):
    peer.write(peer.response())
    peer.write(peer.text("hello"))
    peer.write(close_frame(1000))


@behaviour("/first-with-101")
def first_with_101(peer):
    peer.write(peer.response() + peer.text("first"))
    time.sleep(0.2)
    peer.write(close_frame(1000))


@behaviour("/two-in-one")
def two_in_one(peer):
    peer.write(peer.response())
    time.sleep(0.1)
    peer.write(peer.text("one") + peer.text("two"))
    time.sleep(0.2)
    peer.write(close_frame(1000))


@behaviour("/all-in-one")
def all_in_one(peer):
    """The whole life of a connection in one segment."""
    ping = frame(PING, b"now")
    peer.write(peer.response() + peer.text("one") + ping + peer.text("") + close_frame(1000))


@behaviour("/drip")
def drip(peer):
    """One byte a write, the response included, fragments and a ping among them."""
    peer.drip(peer.response())
    peer.drip(peer.text("drop by drop é"))
    peer.record.sent("split é here")
    split = "split é here".encode()
    peer.drip(frame(TEXT, split[:7], fin=False))
    peer.drip(frame(PING, b"drip"))
    peer.drip(frame(CONTINUATION, split[7:]))
    long = b"x" * 300
    peer.record.sent(long)
    peer.drip(frame(BINARY, long))
    peer.drip(close_frame(1000, b"dry"))


@behaviour("/lenient-101")
def lenient_101(peer):
    """Other spellings of the same headers, as servers in the wild use them."""
    extra = [("X-Empty", ""), ("Server", "a: b")]
    head = peer.response(Upgrade="WebSocket", Connection="keep-alive, Upgrade", extra=extra)
    head = head.replace(b"Upgrade: W", b"uPGRADE:W").replace(b"keep-alive", b"  keep-alive")
    peer.write(head + peer.text("hello") + close_frame(1000))


@behaviour("/continue")
def interim_continue(peer):
    """RFC 9110, section 15.2: a client parses 1xx before the final response."""
    peer.write(b"HTTP/1.1 100 Continue\r\nX-Note: not yet\r\n\r\n")
    time.sleep(0.1)
    peer.write(peer.response() + peer.text("hello") + close_frame(1000))


# ---- responses that must not open -------------------------------------------------


def answer(path, make):
    """Registers a behaviour that only writes the bytes of `make(peer)`."""

    @behaviour(path)
    def refuse(peer):
        peer.write(make(peer))
        peer.drop_after_client()


def other_accept(peer):
    other = "A" if peer.accept[0] != "A" else "B"
    return peer.response(Sec_WebSocket_Accept=other + peer.accept[1:])


answer("/accept-wrong", other_accept)
answer("/accept-truncated", lambda p: p.response(Sec_WebSocket_Accept=p.accept[:-4]))
answer("/accept-longer", lambda p: p.response(Sec_WebSocket_Accept=p.accept + "A"))
answer("/accept-empty", lambda p: p.response(Sec_WebSocket_Accept=""))
answer("/accept-missing", lambda p: p.response(without=["Sec-WebSocket-Accept"]))
answer("/accept-twice", lambda p: p.response(extra=[("Sec-WebSocket-Accept", "x")]))
answer("/upgrade-missing", lambda p: p.response(without=["Upgrade"]))
answer("/upgrade-other", lambda p: p.response(Upgrade="h2c"))
answer("/connection-missing", lambda p: p.response(without=["Connection"]))
answer("/extension", lambda p: p.response(extra=[("Sec-WebSocket-Extensions", "permessage-deflate")]))
answer("/subprotocol-unoffered", lambda p: p.response(extra=[("Sec-WebSocket-Protocol", "other")]))
answer("/status-200", lambda p: b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
# As Werkzeug and Python's http.server refuse.
answer(
    "/http10-401",
    lambda p: b'HTTP/1.0 401 UNAUTHORIZED\r\nContent-Type: text/html\r\nContent-Length: 5\r\n'
    b'WWW-Authenticate: Basic realm="old"\r\nServer: Werkzeug\r\n\r\nhello',
)
answer("/http10-404", lambda p: b"HTTP/1.0 404 File not found\r\nConnection: close\r\n\r\nhello")
answer("/http10-302", lambda p: b"HTTP/1.0 302 Found\r\nLocation: ws://127.0.0.1:9/old\r\n\r\n")
answer("/http10-101", lambda p: p.response().replace(b"HTTP/1.1", b"HTTP/1.0"))
answer("/status-garbage", lambda p: b"HTTP/1.1 abc Switching\r\n\r\n")
answer("/http-garbage", lambda p: b"\x00\xff\x16\x03\x01 no HTTP at all \x80\r\n\r\n")
answer("/header-20k", lambda p: p.response(extra=[("X-Long", "x" * 20_000)]))
answer("/hang-up", lambda p: b"")
answer("/hang-up-midway", lambda p: p.response()[:40])


@behaviour("/never")
def never(peer):
    """Takes the request and stays silent until the client goes."""
    peer.sock.settimeout(30)
    peer.drop_after_client(shut=False)


@behaviour("/stall")
def stall(peer):
    peer.write(peer.response()[:40])
    never(peer)


# ---- closes ------------------------------------------------------------------------


@behaviour("/close-no-code")
def close_no_code(peer):
    peer.write(peer.response() + frame(CLOSE))


@behaviour("/drop")
def drop(peer):
    peer.write(peer.response() + peer.text("last words"))
    peer.drop()


@behaviour("/drop-mid-frame")
def drop_mid_frame(peer):
    peer.write(peer.response() + peer.text("last words") + frame(TEXT, b"never whole")[:6])
    peer.drop()


@behaviour("/reset")
def reset(peer):
    peer.write(peer.response() + peer.text("last words"))
    time.sleep(0.3)
    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.drop()


@behaviour("/close-unanswered")
def close_unanswered(peer):
    peer.write(peer.response())
    peer.read_close()
    never(peer)


@behaviour("/late")
def late(peer):
    """A message after the client's Close, before our own: allowed, and harmless."""
    peer.write(peer.response())
    payload = peer.read_close()
    peer.write(frame(TEXT, b"too late") + frame(CLOSE, payload or b""))
    peer.drop_after_client()


# ---- violations: a good message first, in the same segment ---------------------------


def violation(path, *frames):
    @behaviour(path)
    def violate(peer):
        peer.write(peer.response())
        peer.write(peer.text("before") + b"".join(frames))


violation("/masked", frame(TEXT, b"masked", mask=b"\x11\x22\x33\x44"))
violation("/rsv1", frame(TEXT, b"rsv", rsv=4))
violation("/rsv2", frame(TEXT, b"rsv", rsv=2))
violation("/rsv3", frame(TEXT, b"rsv", rsv=1))
violation("/opcode-3", frame(3, b"reserved"))
violation("/opcode-11", frame(11, b"reserved"))
violation("/control-oversized", frame(PING, b"x" * 126))
violation("/control-fragmented", frame(PING, b"x", fin=False))
violation("/continuation-first", frame(CONTINUATION, b"of nothing"))
violation("/message-in-message", frame(TEXT, b"a", fin=False), frame(TEXT, b"b"))
violation("/length-not-minimal-16", frame(TEXT, b"abc", length=(3, 2)))
violation("/length-not-minimal-64", frame(TEXT, b"x" * 200, length=(200, 8)))
violation("/length-msb", frame(BINARY, b"abc", length=(1 << 63 | 3, 8)))
violation("/utf8", frame(TEXT, b"\xce\xba\xe1\xbd\xb9\xcf\x83\xed\xa0\x80"))
violation("/utf8-truncated", frame(TEXT, b"caf\xc3"))
violation("/utf8-across", frame(TEXT, b"caf\xc3", fin=False), frame(CONTINUATION, b"("))
violation("/close-one-byte", frame(CLOSE, b"\x03"))
violation("/close-code-1005", close_frame(1005))
violation("/close-code-999", close_frame(999))
violation("/close-code-1016", close_frame(1016))
violation("/close-reason-utf8", close_frame(1000, b"\xff"))


# ---- serving --------------------------------------------------------------------------


def serve_one(sock):
    peer = None
    try:
        with sock:
            peer = Peer(sock)
            BEHAVIOURS[peer.path](peer)
            peer.finish()
    except TimeoutError:
        if peer is not None:
            peer.record.problem(f"the client did nothing for {PATIENCE} s")
    except (EOFError, OSError):
        pass  # the client has gone; the record says what came before
    except Exception as error:  # a malformed request, an unknown path
        print(f"raw server: {error!r}", file=sys.stderr, flush=True)
        if peer is not None:
            peer.record.problem(f"the raw server failed: {error!r}")
    finally:
        if peer is not None:
            peer.check_masks()
            peer.record.emit()


def accept_all(listener):
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve_one, args=(sock,), daemon=True).start()


def start():
    """Serves in the background; its port, and a port where nobody listens."""
    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept_all, args=(listener,), daemon=True).start()
    REFUSING.bind(("127.0.0.1", 0))
    return listener.getsockname()[1], REFUSING.getsockname()[1]
