"""The other side of the board's `mqtt`, by paho over plain TCP: it checks what the board publishes,
publishes for it, and sees whether the board leaves as it should.

Its argument is the port of the broker's plain listener on this host. It prints a line of JSON when
it is ready, and one with what was wrong when standard input has ended, which is when the board has.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt

WITHIN = 20

LONG = bytes((at ^ at >> 8) & 0xFF for at in range(1500))
# What the board publishes, and at which QoS.
PUBLISHED = [
    ("board/own", b"at most once", 0),
    ("board/own", LONG, 1),
    ("board/listens", b"say something", 1),
]
WORD = ("host/word", b"from the host")
# Its will, board/will, would come before this.
END = ("board/end", b"", 1)


def emit(event):
    print(json.dumps(event), flush=True)


class Watcher:
    def __init__(self, port):
        self.messages = queue.Queue()
        subscribed = queue.Queue()
        client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, "host", protocol=mqtt.MQTTv5)
        client.on_message = lambda _c, _u, message: self.messages.put(message)
        client.on_connect = lambda c, _u, _f, _code, _p: c.subscribe("board/#", 2)
        client.on_subscribe = lambda _c, _u, _m, codes, _p: subscribed.put(codes)
        client.connect("127.0.0.1", port)
        client.loop_start()
        codes = subscribed.get(timeout=WITHIN)
        if any(code.is_failure for code in codes):
            raise RuntimeError(f"subscribe: {codes}")
        self.client = client

    def expect(self, expected):
        try:
            message = self.messages.get(timeout=WITHIN)
        except queue.Empty:
            raise AssertionError(f"no {expected!r:.200}") from None
        seen = (message.topic, message.payload, message.qos)
        if seen != expected:
            raise AssertionError(f"{seen!r:.200} instead of {expected!r:.200}")

    def publish(self, topic, payload):
        self.client.publish(topic, payload, 1).wait_for_publish(WITHIN)

    def converse(self):
        for message in PUBLISHED:
            self.expect(message)
        self.publish(*WORD)

    def see_off(self):
        topic, payload, _ = END
        self.publish(topic, payload)
        self.expect(END)


def main():
    watcher = Watcher(int(sys.argv[1]))
    emit({"event": "ready"})
    problem = None
    try:
        watcher.converse()
        sys.stdin.read()
        watcher.see_off()
    except Exception as error:  # whatever it is, it is for the report
        problem = f"{type(error).__name__}: {error}"
    emit({"event": "watched", "problem": problem})


main()
