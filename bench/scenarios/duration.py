import argparse
import re

UNITS = {"s": 1, "m": 60, "h": 3600}


def duration(text):
    """Seconds; for argparse."""
    match = re.fullmatch(r"(\d+)(s|m|h)", text)
    if not match:
        raise argparse.ArgumentTypeError(f"'{text}' is no time such as 60s, 15m or 8h")
    return int(match[1]) * UNITS[match[2]]
