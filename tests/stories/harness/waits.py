"""Waiting for conditions. Nothing here waits for time to pass."""

import time


class StoryFailed(AssertionError):
    """What was expected did not happen; the text says what was seen instead."""


def expect(condition, sentence):
    if not condition:
        raise StoryFailed(sentence)


def wait_until(what, condition, seconds=60.0, seen=None, every=0.1):
    """Returns the first true value of condition(). After `seconds` it fails and says what it
    waited for and, through seen(), what it saw last."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            last = f" Seen last: {seen()}" if seen else ""
            raise StoryFailed(f"waited {seconds:.0f} s for: {what}.{last}")
        time.sleep(every)
