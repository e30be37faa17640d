"""A failure that the agent is told of: one of the protocol's kinds and a sentence for people."""


class Failure(Exception):
    def __init__(self, kind, message):
        super().__init__(message)
        self.kind = kind
        self.message = message
