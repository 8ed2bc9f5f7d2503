# Somebody alters synchronous_standby_names on the leader, to a name that nobody has: commits hang. Its
# agent sees names that no recorded policy has, and lets its grant end, so that somebody leads anew.
# Whoever takes no notice leads on, and nothing is acknowledged ever again.
world 3 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant altered_names_stay
choices seeds 1 to 5
lasts 10 s

at 1 s names are altered by hand
expect I25 broken
