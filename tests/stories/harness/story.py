"""A story is a function with a docstring that says what it teaches."""

_stories = []


class Story:
    def __init__(self, function, ci, own):
        self.function = function
        self.name = function.__name__
        self.theme = function.__module__.rsplit(".", 1)[-1]
        self.teaches = " ".join((function.__doc__ or "").split())
        self.ci = ci
        self.own = own


def story(ci=False, own=False):
    """Registers a story. ci: part of the short set. own: it makes its own clusters (it gets a
    function to do so), else it gets the shared cluster of three nodes, healthy, and leaves it so."""

    def register(function):
        assert function.__doc__, f"{function.__name__} does not say what it teaches"
        _stories.append(Story(function, ci, own))
        return function

    return register


def all_stories():
    return list(_stories)
