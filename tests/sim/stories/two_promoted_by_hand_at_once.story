# Two standbys are promoted by hand at the same moment, and take the same id; the leader has lost its
# disk. Who forgets what it began itself is taken for a standby of the other one, and attaches with WAL
# that nobody else has (decision 0051).
world 3 nodes, quorum
acknowledgements 1
writers 3, every 300 ms
plant forget_what_began
choices quiet
lasts 2 s

at 0 ms an empty disk: n1 for 1 s
at 0 ms promoted behind our back: n3
at 0 ms promoted behind our back: n2
expect I12 broken
