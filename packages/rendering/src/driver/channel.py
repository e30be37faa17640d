"""The driver's own channel: JSON lines on file descriptor 3, in both directions.

Never stdout: a scene's script can print there. The agent believes nothing that is said here beyond its shape.
"""

import json
import os

DESCRIPTOR = 3


class Channel:
    def __init__(self):
        # Whatever Blender starts must not inherit the channel.
        os.set_inheritable(DESCRIPTOR, False)
        self._pending = b""

    def read(self):
        """The next command, or None when the agent has closed its end."""
        while b"\n" not in self._pending:
            received = os.read(DESCRIPTOR, 65536)
            if not received:
                return None
            self._pending += received
        line, self._pending = self._pending.split(b"\n", 1)
        return json.loads(line)

    def write(self, message):
        # surrogateescape in names of files and data-blocks becomes a replacement character, not an exception
        text = json.dumps(message, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
        while text:
            text = text[os.write(DESCRIPTOR, text) :]
