"""Real clusters of real processes, faults, clients that remember what was acknowledged."""

from .clock import WallClock
from .cluster import Cluster, Node, lsn_of
from .debugger import HeldReceiver
from .disk import SlowFsync, fill, no_space, small_disk
from .load import Load, under_load
from .network import Network
from .proxy import Haproxy
from .story import all_stories, story
from .waits import StoryFailed, expect, wait_until

__all__ = ["Cluster", "Haproxy", "HeldReceiver", "Load", "Network", "Node", "SlowFsync",
           "StoryFailed", "WallClock", "all_stories", "expect", "fill", "lsn_of", "no_space",
           "small_disk", "story", "under_load", "wait_until"]
