"""The foreign side: an MQTT client by others, over plain TCP, told what to do line by line.

One JSON object a line on standard input, one answer a line on standard output.
"""

import json
import queue
import sys

import paho.mqtt.client as mqtt

TIMEOUT = 60


def payload(index, limit):
    """What message `index` of a burst contains: the same as in scenarios.rs."""
    spread = (index * 2654435761) & 0xFFFFFFFF
    top = limit if index % 100 == 99 else 4096 if index % 10 == 9 else 256
    length = 10 + spread % (min(top, limit) - 9)
    head = index.to_bytes(4, "big")
    return head + bytes((index + place) & 0xFF for place in range(4, length))


class Side:
    def __init__(self, host, port):
        self.address = (host, port)
        self.client = None
        self.messages = queue.Queue()
        self.subscribed = queue.Queue()
        self.connected = queue.Queue()

    def connect(self, command):
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=command["id"],
            protocol=mqtt.MQTTv5,
        )
        client.max_inflight_messages_set(20)
        client.max_queued_messages_set(0)
        client.on_message = lambda _c, _u, message: self.messages.put(message)
        client.on_subscribe = lambda _c, _u, _m, codes, _p: self.subscribed.put(codes)
        client.on_connect = lambda _c, _u, _f, code, _p: self.connected.put(code)
        client.connect(*self.address)
        client.loop_start()
        code = self.connected.get(timeout=TIMEOUT)
        if code.is_failure:
            raise RuntimeError(f"connect: {code}")
        self.client = client

    def disconnect(self, _):
        self.client.disconnect()
        self.client.loop_stop()

    def subscribe(self, command):
        self.client.subscribe(command["topic"], command["qos"])
        codes = self.subscribed.get(timeout=TIMEOUT)
        if any(code.is_failure for code in codes):
            raise RuntimeError(f"subscribe: {codes}")

    def publish(self, command):
        data = bytes.fromhex(command["hex"])
        sent = self.client.publish(command["topic"], data, command["qos"], command["retain"])
        sent.wait_for_publish(TIMEOUT)

    def next(self, command):
        message = self.messages.get(timeout=command.get("timeout", TIMEOUT))
        return {
            "topic": message.topic,
            "hex": message.payload.hex(),
            "qos": message.qos,
            "retain": message.retain,
        }

    def burst(self, command):
        for index in range(command["from"], command["to"]):
            data = payload(index, command["limit"])
            sent = self.client.publish(command["topic"], data, 1)
        sent.wait_for_publish(TIMEOUT)

    def expect(self, command):
        for index in range(command["count"]):
            message = self.messages.get(timeout=TIMEOUT)
            if message.payload != payload(index, command["limit"]):
                found = int.from_bytes(message.payload[:4], "big")
                raise RuntimeError(
                    f"message {index}: got one of {len(message.payload)} bytes, number {found}"
                )


def main():
    side = Side(sys.argv[1], int(sys.argv[2]))
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = {"ok": getattr(side, command["op"])(command)}
        except Exception as error:  # said to who asked
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


main()
