"""The stories of tests/sim/stories that are tagged `real`: the simulator tells them too."""

from harness import story
from harness.told import Teller, told_stories


def _register(told):
    def tell(cluster):
        Teller(told, cluster).tell()
    assert told.nodes == 3, f"{told.path.name}: real stories have three nodes"
    tell.__name__, tell.__doc__ = told.name, told.teaches
    story(ci="ci" in told.tags)(tell)


for each in told_stories():
    _register(each)
