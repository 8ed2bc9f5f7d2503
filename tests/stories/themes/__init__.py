"""The stories, one file a theme."""
