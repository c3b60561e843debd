"""What a server saw of one connection, told to the harness as one JSON line.

The servers only record; `cargo xtask interop` judges. `problems` is for what
only the server can judge: a pong with the wrong payload, an unmasked frame.
"""

import base64
import hashlib
import json
import sys
import threading

_stdout = threading.Lock()


def emit(event):
    """Prints one JSON line, never torn by another thread's."""
    with _stdout:
        print(json.dumps(event), flush=True)


def digest(message):
    """Type, length and hash of a message: text if it is a str."""
    kind = "text" if isinstance(message, str) else "binary"
    data = message.encode() if isinstance(message, str) else bytes(message)
    return {"type": kind, "len": len(data), "sha1": hashlib.sha1(data).hexdigest()}


def b64(data):
    return base64.b64encode(bytes(data)).decode()


class Record:
    """One connection. `emit` it exactly once, when the connection is over."""

    def __init__(self, target, headers):
        self.fields = {
            "event": "record",
            "target": target,
            # Names in lower case; the values of repeated headers joined by ", ".
            "headers": {},
            "sent": [],
            "got": [],
            "pings": [],
            "pongs": [],
            "close": None,
            "problems": [],
        }
        for name, value in headers:
            known = self.fields["headers"]
            name = name.lower()
            known[name] = f"{known[name]}, {value}" if name in known else value

    def sent(self, message):
        self.fields["sent"].append(digest(message))

    def got(self, message):
        self.fields["got"].append(digest(message))

    def ping(self, payload):
        self.fields["pings"].append(b64(payload))

    def pong(self, payload):
        self.fields["pongs"].append(b64(payload))

    def close(self, code, reason):
        """The peer's Close; the code is None if it carried none."""
        self.fields["close"] = {"code": code, "reason": reason}

    def problem(self, text):
        self.fields["problems"].append(text)
        print(f"{self.fields['target']}: {text}", file=sys.stderr, flush=True)

    def emit(self):
        emit(self.fields)
