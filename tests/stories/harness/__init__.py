"""Real clusters of real processes, faults, clients that remember what was acknowledged."""

from .cluster import Cluster, Node
from .load import Load, under_load
from .story import all_stories, story
from .waits import StoryFailed, expect, wait_until

__all__ = ["Cluster", "Node", "Load", "under_load", "all_stories", "story", "StoryFailed",
           "expect", "wait_until"]
