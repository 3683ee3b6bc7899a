"""What a broker's log says of connections that ended and of stages of memory."""

import datetime
import re

CLOSE = re.compile(r"^(\S+) \w+ close .*client=(\d+) peer=(\S+) reason=(\w+) .*pending=(\d+)")
STAGE = re.compile(r"^(\S+) \w+ memory stage=(\w+)")


class Close:
    def __init__(self, match):
        self.at = seconds(match[1])
        self.client, self.peer = int(match[2]), match[3]
        self.reason = match[4]
        self.pending_bytes = int(match[5])


def seconds(timestamp):
    """Since 1970."""
    return datetime.datetime.fromisoformat(timestamp).timestamp()


def closes(lines):
    return [Close(match) for match in map(CLOSE.match, lines) if match]


def stages(lines):
    """(since when, name) of each stage that was entered."""
    return [(seconds(match[1]), match[2]) for match in map(STAGE.match, lines) if match]
